import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx2
import pytest
from prometheus_client import REGISTRY

from mainstay.bootstrap import ServerSystem
from mainstay.config import Settings
from mainstay.control.access.operations import DECLARED
from mainstay.control.limits.admission import Admission
from mainstay.edge.server.app import create_app
from mainstay.platform.postgres import Database
from tests.support.system import TestSystem


async def fail() -> None:
    raise RuntimeError("nobody foresaw this")


@pytest.fixture
async def failing_app(database: Database) -> AsyncGenerator[httpx2.AsyncClient]:
    """An app without the product's routes, whose readiness fails as nobody foresaw."""

    @asynccontextmanager
    async def opened(_: Settings) -> AsyncGenerator[ServerSystem]:
        yield ServerSystem(database, [], {"fails": fail}, Admission(database))

    app = create_app(Settings(), opened, declared=replace(DECLARED, operations={}))
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test")
    async with app.router.lifespan_context(app), client:
        yield client


async def test_unforeseen_error_is_answered_with_its_id_and_counted(failing_app: httpx2.AsyncClient) -> None:
    labels = {"method": "GET", "route": "/readyz", "status": "500"}
    before = REGISTRY.get_sample_value("mainstay_http_requests_total", labels) or 0
    failed = await failing_app.get("/readyz", headers={"x-request-id": "given"})
    assert failed.status_code == 500
    assert failed.headers["x-request-id"] == "given"
    assert failed.headers["x-content-type-options"] == "nosniff"
    assert failed.json()["error"] == {
        "message": "Something failed here; the request id is given.",
        "type": "server_error",
        "param": None,
        "code": "internal",
    }
    assert REGISTRY.get_sample_value("mainstay_http_requests_total", labels) == before + 1


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/files"])
async def test_body_that_grows_over_its_limit_is_refused_with_413(system: TestSystem, path: str) -> None:
    member = await system.member()
    limit = system.settings.upload_bytes_max + 64 * 1024 if path == "/v1/files" else system.settings.request_bytes_max
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    kind = "multipart/form-data; boundary=x" if path == "/v1/files" else "application/json"

    async def pieces() -> AsyncGenerator[bytes]:
        yield head if path == "/v1/files" else b'"'
        for _ in range(limit // 65536 + 1):
            yield b"x" * 65536

    refused = await member.http.post(path, content=pieces(), headers={"content-type": kind})
    assert refused.status_code == 413
    assert refused.json()["error"]["code"] == "body_too_large"
    assert re.search(rf"more than the {limit} bytes", refused.json()["error"]["message"])
