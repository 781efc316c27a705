"""Vector stores and their files over HTTP: `/v1/vector_stores`, as OpenAI has it."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from mainstay.control.access.door import Permitted
from mainstay.kernel.errors import Invalid
from mainstay.kernel.ids import OuterId, decode_id, decode_one_of
from mainstay.knowledge.documents import service, versions
from mainstay.knowledge.documents.schemas import (
    FileStatus,
    FileTextPage,
    KnownFilesQuery,
    StoreCreate,
    StoreFileCreate,
    StoreFileObject,
    StoreFileUpdate,
    StoreObject,
    StoreUpdate,
    states_of,
)
from mainstay.platform.http import Deleted, JsonResponse, Listing, ListObject, answers
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
        router.add_api_route("/{store_id}", self.update, methods=["POST"], summary="Update a vector store")
        router.add_api_route("/{store_id}", self.delete, methods=["DELETE"], summary="Delete a vector store")
        router.add_api_route("/{store_id}/files", self.add_file, methods=["POST"], summary="Add a file")
        router.add_api_route("/{store_id}/files", self.list_files, methods=["GET"], summary="List files")
        router.add_api_route("/{store_id}/files/{file_id}", self.read_file, methods=["GET"], summary="Read a file")
        router.add_api_route("/{store_id}/files/{file_id}", self.update_file, methods=["POST"], summary="Update a file")
        router.add_api_route(
            "/{store_id}/files/{file_id}/content",
            self.file_content,
            methods=["GET"],
            summary="Read a file's text",
            response_model=None,
            responses=answers(FileTextPage),
        )
        router.add_api_route("/{store_id}/known_files", self.find_known, methods=["POST"], summary="Find known files")
        return router

    async def create(self, caller: Permitted, body: StoreCreate) -> StoreObject:
        """Make a store, or with `reuse` return the one of this name, and put files into it."""
        new = [StoreFileCreate(file_id=file_id).document() for file_id in body.file_ids]
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
            if new:
                await service.require_changeable_store(tx, caller, store.id)
            for document in new:
                await versions.add_file(tx, store, document)
            return StoreObject.of(await service.require_store(tx, store.id))

    async def list(
        self,
        caller: Permitted,
        listing: Listing,
        name: Annotated[str | None, Query(max_length=256)] = None,
    ) -> ListObject[StoreObject]:
        """List the stores that the caller may see; with `name` the one that the name means."""
        request = listing.page("vs_")
        async with self._database.read(caller.scope) as tx:
            if name is not None:
                found = await service.find_store_named(tx, name)
                return ListObject[StoreObject].of([StoreObject.of(found)] if found else [], has_more=False)
            page = await service.page_stores(tx, request)
        return ListObject[StoreObject].of_page(page, StoreObject.of)

    async def read(self, caller: Permitted, store_id: str) -> StoreObject:
        """Read one store with the counts of its files."""
        async with self._database.read(caller.scope) as tx:
            return StoreObject.of(await service.require_store(tx, decode_id("vs_", store_id)))

    async def update(self, caller: Permitted, store_id: str, body: StoreUpdate) -> StoreObject:
        """Rename a store or replace its metadata; what is left out stays."""
        async with self._database.write(caller.scope) as tx:
            store = await service.update_store(
                tx, caller, decode_id("vs_", store_id), name=body.name_given(), metadata=body.metadata_given()
            )
        return StoreObject.of(store)

    async def delete(self, caller: Permitted, store_id: str) -> Deleted:
        """Delete a store; nothing in it is found from this moment."""
        async with self._database.write(caller.scope) as tx:
            await service.delete_store(tx, caller, decode_id("vs_", store_id))
        return Deleted(id=store_id, object="vector_store.deleted")

    async def add_file(self, caller: Permitted, store_id: str, body: StoreFileCreate) -> StoreFileObject:
        """Put an upload into a store; a job parses, chunks, embeds and indexes it."""
        async with self._database.write(caller.scope) as tx:
            store = await service.require_changeable_store(tx, caller, decode_id("vs_", store_id))
            new = body.document()
            added = await versions.add_file(tx, store, new)
            named = OuterId("file-", new.file_id)
            document = await versions.require(tx, store.id, named, document_id=added.document_id)
        return StoreFileObject.of(document, unchanged=not added.changed)

    async def list_files(
        self,
        caller: Permitted,
        store_id: str,
        listing: Listing,
        filter: FileStatus | None = None,  # noqa: A002  (OpenAI's name)
    ) -> ListObject[StoreFileObject]:
        """List the documents of a store, of one status where asked."""
        async with self._database.read(caller.scope) as tx:
            request = listing.page("file-", "doc_")
            page = await versions.page(tx, decode_id("vs_", store_id), request, states=states_of(filter))
        return ListObject[StoreFileObject].of_page(page, StoreFileObject.of)

    async def find_known(self, caller: Permitted, store_id: str, body: KnownFilesQuery) -> ListObject[StoreFileObject]:
        """Name the files whose content the store has already as the newest of their document; they need no upload."""
        digests = [(file.external_id, bytes.fromhex(file.sha256)) for file in body.files]
        async with self._database.read(caller.scope) as tx:
            known = await versions.find_known(tx, decode_id("vs_", store_id), digests)
        files = [StoreFileObject.of(document, unchanged=True) for document in known]
        return ListObject[StoreFileObject].of(files, has_more=False)

    async def read_file(self, caller: Permitted, store_id: str, file_id: str) -> StoreFileObject:
        """Read how a file of a store stands."""
        async with self._database.read(caller.scope) as tx:
            found = await versions.require(tx, decode_id("vs_", store_id), _named(file_id))
        return StoreFileObject.of(found)

    async def update_file(
        self, caller: Permitted, store_id: str, file_id: str, body: StoreFileUpdate
    ) -> StoreFileObject:
        """Replace the attributes of a file of a store, by which searches may be filtered."""
        async with self._database.write(caller.scope) as tx:
            store = await service.require_changeable_store(tx, caller, decode_id("vs_", store_id))
            document = await versions.set_attributes(tx, store.id, _named(file_id), body.attributes or {})
        return StoreFileObject.of(document)

    async def file_content(self, caller: Permitted, store_id: str, file_id: str) -> Response:
        """Read the text of a file of a store, as it was read for searching."""
        async with self._database.read(caller.scope) as tx:
            text = await versions.read_text(tx, decode_id("vs_", store_id), _named(file_id))
        data = [{"type": "text", "text": text}]
        page = {"object": "vector_store.file_content.page", "data": data, "has_more": False, "next_page": None}
        return JsonResponse(page)


def _named(file_id: str) -> OuterId:
    """Return what names a file of a store: its own id, or that of the document."""
    return decode_one_of(file_id, "file-", "doc_")
