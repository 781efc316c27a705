"""The whole API in this process, as Schemathesis calls it: its own event loop, a real database, and keys of owners.

The limits on requests are lifted: a flood of calls without a key would be refused for that, and not for want of a key.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from schemathesis import openapi
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.transport import Response
from schemathesis.generation.case import Case
from schemathesis.python import asgi
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi import checks

from mainstay.bootstrap import open_server
from mainstay.config import Settings
from mainstay.control.access import service as access
from mainstay.edge.server.app import create_app
from mainstay.platform.postgres import Database
from tests.support.database import SCOPE_KEY, DatabaseUrls, lift_limits, scratch_database
from tests.support.tenants import make_tenant

# Owners, each with a key: a call may make its caller less than an owner, and then the next one goes on.
OWNERS = 20

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.ignored_auth,
    checks.unsupported_method,
    checks.missing_required_header,
    checks.use_after_free,
    checks.ensure_resource_availability,
]


@dataclass
class Contract:
    """The description of the API as it is served, and what it takes to call it."""

    schema: BaseSchema
    keys: list[str]
    # Things that are there, by the name of the parameter that takes their id.
    ids: dict[str, str] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    violations: dict[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """Return what proves who calls."""
        return {"Authorization": f"Bearer {self.keys[0]}"}

    @property
    def cases(self) -> int:
        """Return how many calls were made."""
        return self.statuses.total()

    def operations(self) -> list[APIOperation]:
        """Return every operation of the description."""
        found = [result.ok() for result in self.schema.get_all_operations()]
        assert len(found) >= 20
        return found

    def call(self, case: Case) -> Response:
        """Make one call, count it, and note whatever of the description it breaks; the first of each kind is kept."""
        headers = self.headers
        response = case.call(headers=headers)
        self.statuses[response.status_code] += 1
        try:
            case.validate_response(response, CHECKS, headers=headers, transport_kwargs={"headers": headers})
        except FailureGroup as failed:
            self.broken += 1
            for failure in failed.exceptions:
                kind = f"{case.operation.label}: {getattr(failure, 'title', type(failure).__name__)}"
                self.violations.setdefault(kind, f"{response.status_code} {failure}\n{case.as_curl_command()}"[:2000])
        # Some calls are made without the key, to be refused.
        sent = response.request.headers.get("authorization") == headers["Authorization"]
        if sent and response.status_code in (401, 403):
            # An owner is refused nothing: it is one no more, or its key was revoked.
            del self.keys[0]
            assert self.keys, f"all {OWNERS} owners were refused something, the last one by {response.text[:500]}"
        return response


@pytest.fixture(scope="package")
async def unlimited(superuser_url: str) -> AsyncIterator[DatabaseUrls]:
    async with scratch_database(superuser_url) as urls:
        await lift_limits(urls)
        yield urls


async def _owners(urls: DatabaseUrls) -> list[str]:
    """Return the keys of the owners of a new tenant."""
    database = await Database.connect(urls.owner, application="tests-owner", scope_key=SCOPE_KEY, as_owner=True)
    try:
        tenant = await make_tenant(database)
        async with database.write(tenant.admin, unaudited="a fixture") as tx:
            return [(await access.issue_key(tx, role="owner", name=f"owner {n}")).secret for n in range(OWNERS)]
    finally:
        await database.close()


@pytest.fixture
async def contract(unlimited: DatabaseUrls, models_folder: Path, tmp_path: Path) -> Contract:
    keys = await _owners(unlimited)
    (tmp_path / "models").symlink_to(models_folder)
    settings = Settings(
        MAINSTAY_HOME=tmp_path,
        MAINSTAY_APP_DATABASE_URL=unlimited.app,
        MAINSTAY_SCOPE_KEY=SCOPE_KEY.secret.hex(),
    )  # type: ignore[arg-type]
    app = create_app(settings, open_server)
    contract = Contract(openapi.from_asgi("/openapi.json", app), keys)
    contract.ids = _made(asgi.get_client(app), contract.headers)
    return contract


def _made(client: asgi.ASGIClient, headers: dict[str, str]) -> dict[str, str]:
    """Make one thing of each kind and return their ids."""
    with client:
        while client.get("/readyz").status_code != 200:
            time.sleep(0.05)

        def make(path: str, **given: Any) -> str:
            response = client.post(path, headers=headers, **given)
            assert response.status_code == 200, response.text
            return response.json()["id"]

        file_id = make("/v1/files", files={"file": ("a.txt", b"The ferry sails at noon.")})
        store_id = make("/v1/vector_stores", json={"name": "contract", "file_ids": [file_id]})
        tools = [{"type": "file_search", "vector_store_ids": [store_id]}]
        answer_id = make("/v1/responses", json={"input": "When does the ferry sail?", "tools": tools})
        batch_id = make(f"/v1/vector_stores/{store_id}/file_batches", json={"file_ids": [file_id]})
        things = {"file_id": file_id, "store_id": store_id, "batch_id": batch_id, "answer_id": answer_id}
        return {**things, "model": "assistant/default"}


@pytest.fixture(autouse=True)
def lifespans() -> Iterator[None]:
    yield
    asgi.shutdown_lifespans()
