"""Vector stores and their files over HTTP: `/v1/vector_stores`, as OpenAI has it."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from mainstay.control.access.door import Permitted
from mainstay.kernel.errors import Invalid
from mainstay.kernel.ids import decode_id
from mainstay.knowledge.documents import service, versions
from mainstay.knowledge.documents.models import VersionState
from mainstay.knowledge.documents.schemas import (
    STATUSES,
    StoreCreate,
    StoreFileCreate,
    StoreFileObject,
    StoreObject,
)
from mainstay.platform.http import Deleted, ListObject, page_request
from mainstay.platform.postgres import Database


class StoreRoutes:
    """The routes of stores and of the documents in them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def router(self) -> APIRouter:
        """Return the routes to be mounted."""
        router = APIRouter(prefix="/v1/vector_stores", tags=["vector stores"])
        router.add_api_route("", self.create, methods=["POST"], summary="Create a vector store")
        router.add_api_route("", self.list, methods=["GET"], summary="List vector stores")
        router.add_api_route("/{store_id}", self.read, methods=["GET"], summary="Read a vector store")
        router.add_api_route("/{store_id}", self.delete, methods=["DELETE"], summary="Delete a vector store")
        router.add_api_route("/{store_id}/files", self.add_file, methods=["POST"], summary="Add a file")
        router.add_api_route("/{store_id}/files", self.list_files, methods=["GET"], summary="List files")
        router.add_api_route("/{store_id}/files/{file_id}", self.read_file, methods=["GET"], summary="Read a file")
        return router

    async def create(self, caller: Permitted, body: StoreCreate) -> StoreObject:
        """Make a store, or with `reuse` return the one of this name, and put files into it."""
        file_ids = [decode_id("file-", file_id) for file_id in body.file_ids]
        visibility = service.visibility_for(caller, body.visibility)
        if body.reuse and not body.name:
            raise Invalid("reuse needs a name; give one.", param="name")
        async with self._database.write(caller.scope, unaudited="nothing changes where the store stands") as tx:
            if body.reuse:
                store = await service.find_or_create_store(tx, name=body.name, visibility=visibility)
            else:
                store = await service.create_store(
                    tx, name=body.name, metadata=body.metadata or {}, visibility=visibility
                )
            if file_ids:
                await service.require_changeable_store(tx, caller, store.id)
            for file_id in file_ids:
                await versions.add_file(tx, store_id=store.id, file_id=file_id, external_id=None, attributes={})
            return StoreObject.of(await service.require_store(tx, store.id))

    async def list(
        self,
        caller: Permitted,
        limit: int = 20,
        after: str | None = None,
        name: Annotated[str | None, Query(max_length=256)] = None,
    ) -> ListObject[StoreObject]:
        """List the stores that the caller may see, newest first; with `name` the one that the name means."""
        request = page_request("vs_", limit=limit, after=after)
        async with self._database.read(caller.scope) as tx:
            if name is not None:
                found = await service.find_store_named(tx, name)
                return ListObject[StoreObject].of([StoreObject.of(found)] if found else [], has_more=False)
            page = await service.page_stores(tx, request)
        return ListObject[StoreObject].of([StoreObject.of(store) for store in page.rows], has_more=page.has_more)

    async def read(self, caller: Permitted, store_id: str) -> StoreObject:
        """Read one store with the counts of its files."""
        async with self._database.read(caller.scope) as tx:
            return StoreObject.of(await service.require_store(tx, decode_id("vs_", store_id)))

    async def delete(self, caller: Permitted, store_id: str) -> Deleted:
        """Delete a store; nothing in it is found from this moment."""
        async with self._database.write(caller.scope) as tx:
            await service.delete_store(tx, caller, decode_id("vs_", store_id))
        return Deleted(id=store_id, object="vector_store.deleted")

    async def add_file(self, caller: Permitted, store_id: str, body: StoreFileCreate) -> StoreFileObject:
        """Put an upload into a store; a job parses, chunks, embeds and indexes it."""
        async with self._database.write(caller.scope) as tx:
            store, file = decode_id("vs_", store_id), decode_id("file-", body.file_id)
            external_id = body.external_id or _external_id(body)
            await service.require_changeable_store(tx, caller, store)
            added = await versions.add_file(
                tx, store_id=store, file_id=file, external_id=external_id, attributes=body.attributes or {}
            )
            document = await versions.require(tx, store, file, document_id=added.document_id)
        return StoreFileObject.of(document, unchanged=not added.changed)

    async def list_files(
        self,
        caller: Permitted,
        store_id: str,
        limit: int = 20,
        after: str | None = None,
        filter: Literal["in_progress", "completed", "failed", "cancelled"] | None = None,  # noqa: A002  (OpenAI's name)
    ) -> ListObject[StoreFileObject]:
        """List the documents of a store, newest first, of one status where asked."""
        states: Sequence[VersionState] = [state for state, status in STATUSES.items() if status == filter]
        async with self._database.read(caller.scope) as tx:
            request = page_request("file-", limit=limit, after=after)
            page = await versions.page(tx, decode_id("vs_", store_id), request, states=states or None)
        files = [StoreFileObject.of(document) for document in page.rows]
        return ListObject[StoreFileObject].of(files, has_more=page.has_more)

    async def read_file(self, caller: Permitted, store_id: str, file_id: str) -> StoreFileObject:
        """Read how a file of a store stands."""
        async with self._database.read(caller.scope) as tx:
            found = await versions.require(tx, decode_id("vs_", store_id), decode_id("file-", file_id))
        return StoreFileObject.of(found)


def _external_id(body: StoreFileCreate) -> str | None:
    """Return the attribute `external_id`, by which OpenAI's own client can name a document."""
    given = (body.attributes or {}).get("external_id")
    return given if isinstance(given, str) and given else None
