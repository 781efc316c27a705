"""The SQL of who sees a store or a document."""

from collections.abc import Sequence
from uuid import UUID

from mainstay.control.access.models import Visibility
from mainstay.kernel.ids import new_id
from mainstay.knowledge.documents.models import Audience
from mainstay.platform.postgres import ReadTx, WriteTx, load_queries

_QUERIES = load_queries(__package__)


async def has_file(tx: ReadTx, store_id: UUID, file_id: UUID) -> bool:
    """Return whether a store has a document that was made from a file."""
    return await tx.fetch_value(_QUERIES["has_file"], store_id=store_id, file_id=file_id)


async def is_restricted(tx: ReadTx, document_id: UUID) -> bool:
    """Return whether a document is seen by those alone with whom it is shared itself."""
    return await tx.fetch_value(_QUERIES["is_restricted"], document_id=document_id)


async def list_shares(tx: ReadTx, store_id: UUID, document_id: UUID | None) -> Audience:
    """Return with whom a store, or a restricted document of it, is shared."""
    rows = await tx.fetch(_QUERIES["list_shares"], store_id=store_id, document_id=document_id)
    return Audience(
        tuple(row["principal_id"] for row in rows if row["principal_id"]),
        tuple(row["group_id"] for row in rows if row["group_id"]),
    )


async def add_shares(tx: WriteTx, store_id: UUID, document_id: UUID | None, audience: Audience) -> None:
    """Share a store, or a restricted document of it, with an audience besides those who have it already."""
    principals: Sequence[UUID | None] = [*audience.principal_ids, *(None for _ in audience.group_ids)]
    groups: Sequence[UUID | None] = [*(None for _ in audience.principal_ids), *audience.group_ids]
    await tx.execute(
        _QUERIES["add_shares"],
        ids=[new_id() for _ in principals],
        store_id=store_id,
        document_id=document_id,
        principal_ids=principals,
        group_ids=groups,
    )


async def delete_other_shares(tx: WriteTx, store_id: UUID, document_id: UUID | None, audience: Audience) -> None:
    """Share a store, or a restricted document of it, with nobody but an audience."""
    await tx.execute(
        _QUERIES["delete_other_shares"],
        store_id=store_id,
        document_id=document_id,
        principal_ids=list(audience.principal_ids),
        group_ids=list(audience.group_ids),
    )


async def set_visibility(tx: WriteTx, store_id: UUID, visibility: Visibility) -> None:
    """Show a store to the whole tenant, or to its owner and those with whom it is shared."""
    await tx.execute(_QUERIES["set_visibility"], id=store_id, visibility=visibility)


async def restrict_document(tx: WriteTx, document_id: UUID) -> None:
    """Hide a document from everyone with whom it is not shared itself."""
    await tx.execute(_QUERIES["restrict_document"], document_id=document_id)


async def open_document(tx: WriteTx, document_id: UUID) -> None:
    """Show a document to whoever sees its store."""
    await tx.execute(_QUERIES["open_document"], document_id=document_id)


async def narrow_files(
    tx: WriteTx, store_id: UUID, *, document_id: UUID | None = None, file_id: UUID | None = None
) -> None:
    """Make the files of a store, of one document or one of them private; their documents go on showing them."""
    await tx.execute(_QUERIES["narrow_files"], store_id=store_id, document_id=document_id, file_id=file_id)
