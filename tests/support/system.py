"""The whole product in one test process: the server on a loopback socket, and a worker that takes its jobs."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import uvicorn
from fastapi import FastAPI
from openai import AsyncOpenAI

from mainstay.bootstrap import open_server, open_worker
from mainstay.config import Settings
from mainstay.control.access import service as access
from mainstay.control.access.models import Role
from mainstay.control.limits import service as limits
from mainstay.control.tenants import service as tenants
from mainstay.edge.server.app import create_app, limits_of
from mainstay.edge.server.limits import EdgeLimits
from mainstay.edge.server.serving import make_server
from mainstay.kernel.ids import encode_id, new_id
from mainstay.platform.postgres import Database, Scope
from tests.support.database import SCOPE_KEY, DatabaseUrls

READY_DEADLINE_S = 60.0
INGEST_DEADLINE_S = 60.0


@dataclass(frozen=True)
class Member:
    """A principal of a tenant with its key and a client that uses it."""

    tenant_id: UUID
    role: Role
    key: str
    http: httpx2.AsyncClient
    principal_id: str = ""

    async def call(self, method: str, path: str, *, status: int = 200, **options: Any) -> dict[str, Any]:
        """Return the body of one exchange whose status must be `status`."""
        response = await self.http.request(method, path, **options)
        assert response.status_code == status, f"{method} {path}: {response.status_code} {response.text[:500]}"
        return response.json()

    async def add(
        self, filename: str, text: str, *, store_id: str, external_id: str | None = None, wait: bool = True
    ) -> dict[str, Any]:
        """Upload a text, put it into a store, and return how it stands when it has ended."""
        uploaded = await self.call("POST", "/v1/files", files={"file": (filename, text.encode())})
        body = {"file_id": uploaded["id"], **({"external_id": external_id} if external_id else {})}
        added = await self.call("POST", f"/v1/vector_stores/{store_id}/files", json=body)
        return await self.ended(store_id, added["id"]) if wait else added

    async def ended(self, store_id: str, file_id: str) -> dict[str, Any]:
        """Return a file of a store once it is in progress no more."""
        async with asyncio.timeout(INGEST_DEADLINE_S):
            while True:
                found = await self.call("GET", f"/v1/vector_stores/{store_id}/files/{file_id}")
                if found["status"] != "in_progress":
                    return found
                await asyncio.sleep(0.02)

    async def make_store(self, name: str = "store", **fields: object) -> str:
        """Make a store and return its id."""
        return (await self.call("POST", "/v1/vector_stores", json={"name": name, **fields}))["id"]


@dataclass(frozen=True)
class TestSystem:
    """What runs, and how to make tenants in it."""

    __test__ = False
    address: str
    settings: Settings
    owner: Database
    urls: DatabaseUrls
    clients: list[httpx2.AsyncClient | AsyncOpenAI] = field(default_factory=list)
    given_app: FastAPI | None = None

    @property
    def app(self) -> FastAPI:
        """Return what serves, where it runs in this process."""
        assert self.given_app is not None
        return self.given_app

    async def member(self, role: Role = "admin", *, of: Member | None = None, plan: str = "scale") -> Member:
        """Return a new principal with a key, of a new tenant or of the one that `of` belongs to."""
        tenant_id = new_id() if of is None else of.tenant_id
        scope = Scope(tenant_id, new_id(), sees_all=True, request_id="tests")
        async with self.owner.write(scope, unaudited="a fixture") as tx:
            if of is None:
                await tenants.create(tx, f"t-{secrets.token_hex(8)}")
                await limits.put_on_plan(tx, plan)
            key = await access.issue_key(tx, role=role, name=role)
        http = self.client(key.secret)
        return Member(tenant_id, role, key.secret, http, encode_id("usr_", key.principal_id))  # type: ignore[arg-type]

    def client(self, key: str) -> httpx2.AsyncClient:
        """Return a client that sends a key."""
        http = httpx2.AsyncClient(
            base_url=self.address, headers={"authorization": f"Bearer {key}"}, timeout=60, trust_env=False
        )
        self.clients.append(http)
        return http

    def openai(self, member: Member) -> AsyncOpenAI:
        """Return the official client, as a user would make it."""
        client = AsyncOpenAI(base_url=f"{self.address}/v1", api_key=member.key, max_retries=0)
        self.clients.append(client)
        return client


@asynccontextmanager
async def running_system(
    urls: DatabaseUrls,
    owner: Database,
    models: Path,
    home: Path,
    environment: Mapping[str, object] | None = None,
    limits: EdgeLimits | None = None,
) -> AsyncGenerator[TestSystem]:
    """Run server and worker until the block ends."""
    (home / "models").symlink_to(models)
    settings = Settings(
        MAINSTAY_HOME=home,
        MAINSTAY_APP_DATABASE_URL=urls.app,
        MAINSTAY_SCOPE_KEY=SCOPE_KEY.secret.hex(),
        **(environment or {}),
    )  # type: ignore[arg-type]
    limits = limits or limits_of(settings)
    app = create_app(settings, open_server, limits)
    server = make_server(app, host="127.0.0.1", port=0, limits=limits)
    # The signals of the test run are not the server's.
    serving = asyncio.create_task(server._serve(None))
    stop = asyncio.Event()
    working = asyncio.create_task(_work(settings, stop))
    try:
        address = await _address(server, serving)
        running = TestSystem(address, settings, owner, urls, given_app=app)
        try:
            yield running
        finally:
            for client in running.clients:
                await (client.aclose() if isinstance(client, httpx2.AsyncClient) else client.close())
    finally:
        server.should_exit = True
        stop.set()
        await asyncio.gather(serving, working)


async def _work(settings: Settings, stop: asyncio.Event) -> None:
    async with open_worker(settings, on_beat=lambda: None) as worker:
        await worker.run(stop)


async def _address(server: uvicorn.Server, serving: asyncio.Task[None]) -> str:
    async with asyncio.timeout(READY_DEADLINE_S):
        while not server.started:
            if serving.done():
                serving.result()
                raise AssertionError("the server ended before it had started")
            await asyncio.sleep(0.01)
        address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        async with httpx2.AsyncClient(base_url=address, trust_env=False) as http:
            while (await http.get("/readyz")).status_code != 200:  # noqa: ASYNC110  (nor has HTTP)
                await asyncio.sleep(0.01)
    return address
