"""Who sees a store or a document, over HTTP."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from mainstay.control.access.door import Permitted
from mainstay.control.access.models import Visibility
from mainstay.kernel.ids import decode_id, decode_one_of, encode_id
from mainstay.knowledge.documents import sharing
from mainstay.knowledge.documents.models import Audience
from mainstay.platform.postgres import Database

Ids = Annotated[list[str], Field(max_length=sharing.AUDIENCE_MAX)]


class AudienceFields(BaseModel):
    """Principals and groups by id."""

    model_config = ConfigDict(extra="forbid")

    principal_ids: Ids = Field(default_factory=list[str])
    group_ids: Ids = Field(default_factory=list[str])

    def audience(self) -> Audience:
        """Return them as they are inside; raises NotFound for what is no id."""
        return Audience(
            tuple(dict.fromkeys(decode_id("usr_", one) for one in self.principal_ids)),
            tuple(dict.fromkeys(decode_id("grp_", one) for one in self.group_ids)),
        )


class StoreAudience(AudienceFields):
    """Who shall see a store: the tenant, or its owner and these."""

    visibility: Visibility


class DocumentAudience(AudienceFields):
    """Who shall see a document: whoever sees its store, or of those these alone."""

    restricted: bool


class StoreAudienceObject(BaseModel):
    """Who sees a store."""

    id: str
    object: Literal["vector_store.audience"] = "vector_store.audience"
    visibility: Visibility
    principal_ids: Sequence[str]
    group_ids: Sequence[str]

    @classmethod
    def of(cls, store_id: str, visibility: Visibility, audience: Audience) -> "StoreAudienceObject":
        """Return the outer form of who sees a store."""
        principals, groups = _ids(audience)
        return cls(id=store_id, visibility=visibility, principal_ids=principals, group_ids=groups)


class DocumentAudienceObject(BaseModel):
    """Who sees a document."""

    id: str
    object: Literal["vector_store.file.audience"] = "vector_store.file.audience"
    restricted: bool
    principal_ids: Sequence[str]
    group_ids: Sequence[str]

    @classmethod
    def of(cls, file_id: str, audience: Audience, *, restricted: bool) -> "DocumentAudienceObject":
        """Return the outer form of who sees a document."""
        principals, groups = _ids(audience)
        return cls(id=file_id, restricted=restricted, principal_ids=principals, group_ids=groups)


class ShareRoutes:
    """The routes of sharing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def router(self) -> APIRouter:
        """Return the routes to be mounted."""
        router = APIRouter(prefix="/v1/vector_stores/{store_id}", tags=["vector stores"])
        router.add_api_route("/audience", self.read, methods=["GET"], summary="Read who sees a store")
        router.add_api_route("/audience", self.change, methods=["PUT"], summary="Say who sees a store")
        document = "/files/{file_id}/audience"
        router.add_api_route(document, self.read_document, methods=["GET"], summary="Read who sees a document")
        router.add_api_route(document, self.change_document, methods=["PUT"], summary="Say who sees a document")
        return router

    async def read(self, caller: Permitted, store_id: str) -> StoreAudienceObject:
        """Read who sees a store, besides its owner and those who see all of the tenant."""
        async with self._database.read(caller.scope) as tx:
            visibility, audience = await sharing.store_audience(tx, decode_id("vs_", store_id))
        return StoreAudienceObject.of(store_id, visibility, audience)

    async def change(self, caller: Permitted, store_id: str, body: StoreAudience) -> StoreAudienceObject:
        """Show a store to the tenant, or to its owner and the audience named, and to nobody else."""
        async with self._database.write(caller.scope) as tx:
            audience = await sharing.share_store_with(
                tx, caller, decode_id("vs_", store_id), visibility=body.visibility, audience=body.audience()
            )
        return StoreAudienceObject.of(store_id, body.visibility, audience)

    async def read_document(self, caller: Permitted, store_id: str, file_id: str) -> DocumentAudienceObject:
        """Read who sees a document, besides those who see all of the tenant."""
        async with self._database.read(caller.scope) as tx:
            restricted, audience = await sharing.document_audience(
                tx, decode_id("vs_", store_id), decode_one_of(file_id, "file-", "doc_")
            )
        return DocumentAudienceObject.of(file_id, audience, restricted=restricted)

    async def change_document(
        self, caller: Permitted, store_id: str, file_id: str, body: DocumentAudience
    ) -> DocumentAudienceObject:
        """Restrict a document to the audience named, or show it to whoever sees its store."""
        store, file = decode_id("vs_", store_id), decode_one_of(file_id, "file-", "doc_")
        async with self._database.write(caller.scope) as tx:
            audience = await sharing.share_document_with(
                tx, caller, store, file, restricted=body.restricted, audience=body.audience()
            )
        return DocumentAudienceObject.of(file_id, audience, restricted=body.restricted)


def _ids(audience: Audience) -> tuple[list[str], list[str]]:
    principals = [encode_id("usr_", one) for one in audience.principal_ids]
    return principals, [encode_id("grp_", one) for one in audience.group_ids]
