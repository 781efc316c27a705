"""The flow of a version: parse, chunk, embed, index; ready in one commit, or ended with a reason in plain words.

No transaction is open while a file is read, parsed or embedded. A crash anywhere starts the flow again, and nothing
is visible of what it had done before.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import numpy as np
import structlog

from mainstay.control.gateway.models import Vectors
from mainstay.control.gateway.service import EMBED_BATCH_TEXTS, Gateway
from mainstay.control.metering import service as metering
from mainstay.control.metering.models import ModelCall
from mainstay.knowledge.documents import versions
from mainstay.knowledge.documents.chunking import chunk
from mainstay.knowledge.documents.models import IngestPayload, ReadyVersion, VersionWork
from mainstay.knowledge.documents.parsed import Chunk, ParsedDocument, ParseRejected
from mainstay.knowledge.documents.parsing import ParserPool
from mainstay.knowledge.documents.versions import Overtaken
from mainstay.knowledge.retrieval import service
from mainstay.platform.blobs import BlobMissing, Blobs, blob_key
from mainstay.platform.jobs import DeadJob, JobRun
from mainstay.platform.postgres import Database, WriteTx

log = structlog.get_logger(__name__)

FEATURE = "ingest"
FILE_DELETED = "The file was deleted before it could be read: upload it again."


class Ingest:
    """Turns versions into chunks and an index; one per worker, made by bootstrap."""

    def __init__(self, database: Database, blobs: Blobs, parsers: ParserPool, gateway: Gateway) -> None:
        self._database = database
        self._blobs = blobs
        self._parsers = parsers
        self._gateway = gateway

    async def run(self, job: JobRun[IngestPayload]) -> None:
        """Ingest the version that the job names."""
        version_id = job.payload.version_id
        async with job.checkpoint(unaudited="the state only says that work has begun") as tx:
            work = await versions.start(tx, version_id)
        if work is None:
            async with job.commit(unaudited="nothing is left to do"):
                return
        try:
            parsed = await self._parse(job, work)
        except ParseRejected as rejected:
            async with job.commit() as tx:
                await versions.fail(tx, version_id, code=rejected.code, reason=rejected.reason)
            return
        except BlobMissing:
            async with job.commit() as tx:
                await versions.fail(tx, version_id, code="file_deleted", reason=FILE_DELETED)
            return
        chunks = await asyncio.to_thread(chunk, parsed)
        vectors, calls = await self._embed(job, work.store_id, parsed.title, chunks)
        try:
            async with job.commit() as tx:
                await self._make_ready(tx, work, parsed, chunks, vectors)
                for call in calls:
                    await metering.record(tx, call, feature=FEATURE)
        except Overtaken:
            async with job.commit() as tx:
                await versions.cancel(tx, version_id)
                for call in calls:
                    await metering.record(tx, call, feature=FEATURE)

    async def give_up(self, tx: WriteTx, job: DeadJob[IngestPayload]) -> None:
        """End the version of a job that will not run again, so that no document waits for ever."""
        if job.payload is None:
            # It names no version, so there is none that waits.
            return
        reason = (
            f"Ingestion failed {job.attempt} times and was given up ({job.error_code}): "
            "add the file again to retry; if it fails again, the worker's log tells more."
        )
        await versions.fail(tx, job.payload.version_id, code="ingest_failed", reason=reason)

    async def _parse(self, job: JobRun[IngestPayload], work: VersionWork) -> ParsedDocument:
        data = await self._blobs.get(blob_key("uploads", job.tenant_id, work.file_id))
        return await self._parsers.parse(data, filename=work.filename, content_type=work.content_type)

    async def _embed(
        self, job: JobRun[IngestPayload], store_id: UUID, title: str, chunks: Sequence[Chunk]
    ) -> tuple[Vectors, Sequence[ModelCall]]:
        """Return a vector for each chunk; those that the store has for the same text already cost nothing."""
        hashes = [service.indexed_hash(one, title) for one in chunks]
        async with self._database.read(job.scope) as tx:
            known = await service.known_vectors(tx, store_id, hashes)
        vectors = np.zeros((len(chunks), self._gateway.embedder.dimensions), dtype=np.float32)
        missing: list[int] = []
        for index, digest in enumerate(hashes):
            vector = known.get(digest)
            if vector is None:
                missing.append(index)
            else:
                vectors[index] = vector
        calls: list[ModelCall] = []
        for start in range(0, len(missing), EMBED_BATCH_TEXTS):
            batch = missing[start : start + EMBED_BATCH_TEXTS]
            embedded = await self._gateway.embed([service.indexed_text(chunks[index], title) for index in batch])
            vectors[batch] = embedded.vectors
            calls.append(embedded.call)
        return vectors, calls

    async def _make_ready(
        self, tx: WriteTx, work: VersionWork, parsed: ParsedDocument, chunks: Sequence[Chunk], vectors: Vectors
    ) -> None:
        """Index the version, prove that it is found, and let it take the place of the one before."""
        ready = ReadyVersion(
            text=parsed.text,
            pages=[(page.number, page.start_char) for page in parsed.pages],
            title=parsed.title or None,
            content_type=parsed.content_type,
            chunk_count=len(chunks),
        )
        replaced = await versions.finish(tx, work.version_id, ready)
        if replaced is not None:
            await service.retire_version(tx, work.store_id, replaced)
        await service.index_version(
            tx,
            work.store_id,
            work.document_id,
            work.version_id,
            chunks,
            vectors,
            embedding_model=self._gateway.embedder.name,
            title=parsed.title,
        )
        await service.prove_retrievable(tx, work.store_id, work.version_id, chunks, vectors)
