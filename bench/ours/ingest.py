"""Mainstay as it ingests files: everything but HTTP, in one process with its parser children."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import UUID

import asyncpg

from bench.actions import serve
from mainstay.bootstrap import open_blobs, open_worker
from mainstay.config import Settings
from mainstay.control.gateway.providers.minilm import MiniLm
from mainstay.control.gateway.service import EMBED_BATCH_TEXTS
from mainstay.kernel.ids import new_id
from mainstay.knowledge.documents import service as documents
from mainstay.knowledge.documents import versions
from mainstay.knowledge.documents.models import NewDocument
from mainstay.knowledge.documents.parsed import Chunk
from mainstay.knowledge.retrieval.service import indexed_text
from mainstay.platform.blobs import Blobs
from mainstay.platform.postgres import Database, Scope
from mainstay.platform.telemetry import configure_logging
from tests.support.database import SCOPE_KEY
from tests.support.tenants import make_tenant

# As many as the command line sends.
UPLOADS_AT_ONCE = 4
_POLL_S = 0.05
# Cheap, so that waiting costs next to nothing of what is measured.
_UNFINISHED = """
SELECT count(*) FROM mainstay.document_versions WHERE store_id = $1 AND state IN ('queued', 'working')
"""
_CHUNKS = """
SELECT c.text, c.heading_path, v.title
  FROM mainstay.chunks c JOIN mainstay.document_versions v ON v.id = c.version_id
 WHERE c.store_id = $1 ORDER BY c.chunk_no
"""


class Ingesting:
    """A worker that waits for jobs, and what uploads files beside it; each ingest fills a store of its own."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._stop = asyncio.Event()
        self._database: Database
        self._blobs: Blobs
        self._scope: Scope
        self._superuser: asyncpg.Connection
        self._model: MiniLm

    async def open(self, app: str, owner: str, superuser: str, home: str, models: str) -> None:
        """Connect, load the model twice (the worker's, and one to be measured alone) and start the worker."""
        configure_logging("worker")
        settings = Settings(
            MAINSTAY_HOME=Path(home), MAINSTAY_APP_DATABASE_URL=app, MAINSTAY_SCOPE_KEY=SCOPE_KEY.secret.hex()
        )  # type: ignore[arg-type]
        # In a fresh checkout it is not there yet, and nothing can be built below a link to nothing.
        Path(models).mkdir(parents=True, exist_ok=True)
        (settings.home / "models").symlink_to(models)
        owner_database = await Database.connect(owner, scope_key=SCOPE_KEY, as_owner=True)
        self._scope = (await make_tenant(owner_database)).admin
        await owner_database.close()
        self._database = await Database.connect(app, scope_key=SCOPE_KEY)
        self._superuser = await asyncpg.connect(superuser)
        self._blobs = open_blobs(settings)
        self._model = MiniLm(settings.home / "models")
        worker = await self._stack.enter_async_context(open_worker(settings, on_beat=lambda: None))
        self._working = asyncio.create_task(worker.run(self._stop))

    async def ingest(self, paths: Sequence[str]) -> Mapping[str, object]:
        """Upload files into a new store and return how many ended well once all have ended."""
        async with self._database.write(self._scope, unaudited="a bench") as tx:
            store = await documents.create_store(tx, name="bench", metadata={}, visibility="tenant")
        gate = asyncio.Semaphore(UPLOADS_AT_ONCE)
        await asyncio.gather(*(self._add(store.id, Path(path), gate) for path in paths))
        while await self._superuser.fetchval(_UNFINISHED, store.id):
            await asyncio.sleep(_POLL_S)
        async with self._database.read(self._scope) as tx:
            found = await documents.require_store(tx, store.id)
        return {"store": store.id.hex, "documents": found.completed, "failed": found.failed}

    async def embed_only(self, store: str) -> Mapping[str, object]:
        """Embed again what the index of a store embedded, in calls of the same size, and do nothing else."""
        rows = await self._superuser.fetch(_CHUNKS, UUID(store))
        texts = [
            indexed_text(Chunk(0, row["text"], 0, 1, None, None, tuple(row["heading_path"]), ""), row["title"] or "")
            for row in rows
        ]
        batches = [texts[start : start + EMBED_BATCH_TEXTS] for start in range(0, len(texts), EMBED_BATCH_TEXTS)]
        tokens = [(await self._model.embed(batch)).input_tokens for batch in batches]
        return {"chunks": len(texts), "tokens": sum(tokens)}

    async def close(self) -> None:
        """Stop the worker and disconnect."""
        self._stop.set()
        await self._working
        await self._stack.aclose()
        await self._database.close()
        await self._superuser.close()

    async def _add(self, store_id: UUID, path: Path, gate: asyncio.Semaphore) -> None:
        async with gate:
            file = await documents.receive_file(
                self._database,
                self._blobs,
                self._scope,
                data=path.read_bytes(),
                filename=path.name,
                purpose="assistants",
                content_type=None,
                visibility="tenant",
                bytes_max=1 << 30,
            )
            async with self._database.write(self._scope) as tx:
                store = await documents.require_store(tx, store_id)
                await versions.add_file(tx, store, NewDocument(file.id, new_id().hex, {}))


if __name__ == "__main__":
    asyncio.run(serve(Ingesting()))
