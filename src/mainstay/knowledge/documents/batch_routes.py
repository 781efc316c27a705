"""File batches over HTTP: `/v1/vector_stores/{id}/file_batches`, as OpenAI has it."""

from fastapi import APIRouter

from mainstay.control.access.door import Permitted
from mainstay.kernel.ids import decode_id
from mainstay.knowledge.documents import batches
from mainstay.knowledge.documents.schemas import (
    FileBatchCreate,
    FileBatchObject,
    FileStatus,
    StoreFileObject,
    states_of,
)
from mainstay.platform.http import Listing, ListObject
from mainstay.platform.postgres import Database


class BatchRoutes:
    """The routes of file batches."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def router(self) -> APIRouter:
        """Return the routes to be mounted."""
        router = APIRouter(prefix="/v1/vector_stores/{store_id}/file_batches", tags=["vector stores"])
        router.add_api_route("", self.create, methods=["POST"], summary="Add files together")
        router.add_api_route("/{batch_id}", self.read, methods=["GET"], summary="Read a file batch")
        router.add_api_route("/{batch_id}/cancel", self.cancel, methods=["POST"], summary="Cancel a file batch")
        router.add_api_route("/{batch_id}/files", self.list_files, methods=["GET"], summary="List files of a batch")
        return router

    async def create(self, caller: Permitted, store_id: str, body: FileBatchCreate) -> FileBatchObject:
        """Put uploads into a store together; each is parsed, chunked, embedded and indexed by a job of its own."""
        async with self._database.write(caller.scope) as tx:
            batch = await batches.create(tx, caller, decode_id("vs_", store_id), body.documents())
        return FileBatchObject.of(batch)

    async def read(self, caller: Permitted, store_id: str, batch_id: str) -> FileBatchObject:
        """Read how many files of a batch are in which state."""
        async with self._database.read(caller.scope) as tx:
            batch = await batches.require(tx, decode_id("vs_", store_id), decode_id("vsfb_", batch_id))
        return FileBatchObject.of(batch)

    async def cancel(self, caller: Permitted, store_id: str, batch_id: str) -> FileBatchObject:
        """Cancel what a batch brought in and is not ready yet; what is ready stays."""
        async with self._database.write(caller.scope) as tx:
            batch = await batches.cancel(tx, caller, decode_id("vs_", store_id), decode_id("vsfb_", batch_id))
        return FileBatchObject.of(batch)

    async def list_files(
        self,
        caller: Permitted,
        store_id: str,
        batch_id: str,
        listing: Listing,
        filter: FileStatus | None = None,  # noqa: A002  (OpenAI's name)
    ) -> ListObject[StoreFileObject]:
        """List the documents of a batch, of one status where asked."""
        store, batch, request = decode_id("vs_", store_id), decode_id("vsfb_", batch_id), listing.page("file-", "doc_")
        async with self._database.read(caller.scope) as tx:
            page = await batches.page(tx, store, batch, request, states=states_of(filter))
        return ListObject[StoreFileObject].of_page(page, StoreFileObject.of)
