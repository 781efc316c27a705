"""Uploads over HTTP: `/v1/files`, as OpenAI has it."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, UploadFile
from fastapi.responses import Response, StreamingResponse

from mainstay.control.access.door import Permitted
from mainstay.control.access.models import Visibility
from mainstay.kernel.errors import Invalid
from mainstay.kernel.ids import decode_id, encode_id
from mainstay.knowledge.documents import service
from mainstay.knowledge.documents.schemas import FileObject
from mainstay.platform.blobs import Blobs, blob_key
from mainstay.platform.http import Deleted, Listing, ListObject, answers_bytes
from mainstay.platform.postgres import Database


class FileRoutes:
    """The routes of uploads."""

    def __init__(self, database: Database, blobs: Blobs, *, bytes_max: int) -> None:
        self._database = database
        self._blobs = blobs
        self._bytes_max = bytes_max

    def router(self) -> APIRouter:
        """Return the routes to be mounted."""
        router = APIRouter(prefix="/v1/files", tags=["files"])
        router.add_api_route("", self.upload, methods=["POST"], summary="Upload a file")
        router.add_api_route("", self.list, methods=["GET"], summary="List files")
        router.add_api_route("/{file_id}", self.read, methods=["GET"], summary="Read a file's record")
        router.add_api_route("/{file_id}", self.delete, methods=["DELETE"], summary="Delete a file")
        router.add_api_route(
            "/{file_id}/content",
            self.content,
            methods=["GET"],
            summary="Read a file's bytes",
            response_class=StreamingResponse,
            responses=answers_bytes(),
        )
        return router

    async def upload(
        self,
        caller: Permitted,
        file: UploadFile,
        purpose: Annotated[str, Form(max_length=64)] = "assistants",
        visibility: Annotated[Visibility | None, Form()] = None,
    ) -> FileObject:
        """Keep an upload; it is searched once it was put into a vector store."""
        if purpose not in service.PURPOSES:
            raise Invalid(f"purpose is one of {', '.join(service.PURPOSES)}, not '{purpose}'.", param="purpose")
        kept = await service.receive_file(
            self._database,
            self._blobs,
            caller.scope,
            data=await file.read(),
            filename=file.filename or "unnamed",
            purpose=purpose,
            content_type=(file.content_type or "")[:200] or None,
            visibility=service.visibility_for(caller, visibility),
            bytes_max=self._bytes_max,
        )
        return FileObject.of(kept)

    async def list(
        self,
        caller: Permitted,
        listing: Listing,
        purpose: Annotated[str | None, Query(max_length=64)] = None,
    ) -> ListObject[FileObject]:
        """List the uploads that the caller may see."""
        async with self._database.read(caller.scope) as tx:
            page = await service.page_files(tx, listing.page("file-"), purpose=purpose)
        return ListObject[FileObject].of_page(page, FileObject.of)

    async def read(self, caller: Permitted, file_id: str) -> FileObject:
        """Read one upload's record."""
        async with self._database.read(caller.scope) as tx:
            return FileObject.of(await service.require_file(tx, decode_id("file-", file_id)))

    async def content(self, caller: Permitted, file_id: str) -> Response:
        """Read an upload's bytes, always as an attachment, so that no browser runs it as a page of ours."""
        async with self._database.read(caller.scope) as tx:
            file = await service.require_file(tx, decode_id("file-", file_id))
        # In pieces, so that a client that reads slowly, or never, holds one piece of it in memory and not the whole.
        size, pieces = await self._blobs.open(blob_key("uploads", caller.tenant_id, file.id))
        headers = {
            "content-disposition": f'attachment; filename="{encode_id("file-", file.id)}"',
            "content-security-policy": "sandbox",
            "content-length": str(size),
        }
        return StreamingResponse(pieces, media_type="application/octet-stream", headers=headers)

    async def delete(self, caller: Permitted, file_id: str) -> Deleted:
        """Delete an upload; documents made from it stay in their stores."""
        async with self._database.write(caller.scope) as tx:
            await service.delete_file(tx, caller, decode_id("file-", file_id))
        await self._blobs.delete(blob_key("uploads", caller.tenant_id, decode_id("file-", file_id)))
        return Deleted(id=file_id, object="file")
