"""The SQL of uploads and stores."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from mainstay.control.access.models import Visibility
from mainstay.kernel.paging import Page, PageRequest
from mainstay.knowledge.documents.models import File, Store
from mainstay.platform.postgres import ReadTx, WriteTx, fetch_page, load_queries

_QUERIES = load_queries(__package__)


async def insert_file(
    tx: WriteTx,
    *,
    file_id: UUID,
    visibility: Visibility,
    filename: str,
    purpose: str,
    content_type: str | None,
    size: int,
    sha256: bytes,
) -> datetime:
    """Record an upload and return when."""
    return await tx.change_value(
        _QUERIES["insert_file"],
        id=file_id,
        visibility=visibility,
        filename=filename,
        purpose=purpose,
        content_type=content_type,
        bytes=size,
        sha256=sha256,
    )


async def find_file(tx: ReadTx, file_id: UUID) -> File | None:
    """Return one visible upload."""
    row = await tx.fetch_one(_QUERIES["find_file"], id=file_id)
    return File(**row) if row else None


async def list_files(tx: ReadTx, request: PageRequest, *, purpose: str | None) -> Page[File]:
    """Return a page of visible uploads."""
    key = _QUERIES["find_file_key"]
    return await fetch_page(tx, _QUERIES["list_files"], request, lambda row: File(**row), key=key, purpose=purpose)


async def delete_file(tx: WriteTx, file_id: UUID) -> bool:
    """Hide an upload; False where there is none."""
    return await tx.execute(_QUERIES["delete_file"], id=file_id) > 0


async def insert_store(
    tx: WriteTx, *, store_id: UUID, visibility: Visibility, name: str, metadata: Mapping[str, str]
) -> None:
    """Make a store."""
    await tx.execute(_QUERIES["insert_store"], id=store_id, visibility=visibility, name=name, metadata=dict(metadata))


async def find_store(tx: ReadTx, store_id: UUID) -> Store | None:
    """Return one visible store with its counts."""
    row = await tx.fetch_one(_QUERIES["find_store"], id=store_id)
    return (await _with_counts(tx, [Store(**row)]))[0] if row else None


async def sees_store(tx: ReadTx, store_id: UUID) -> bool:
    """Return whether there is a store that the caller sees; its documents are not counted."""
    return await tx.fetch_value(_QUERIES["sees_store"], id=store_id)


async def lock_name(tx: WriteTx, name: str) -> None:
    """Wait until no other transaction looks for a store of this name."""
    await tx.fetch(_QUERIES["lock_name"], name=name)


async def find_store_named(tx: ReadTx, name: str) -> Store | None:
    """Return the oldest visible store of a name."""
    row = await tx.fetch_one(_QUERIES["find_store_named"], name=name)
    return (await _with_counts(tx, [Store(**row)]))[0] if row else None


async def had_store(tx: ReadTx, name: str) -> bool:
    """Return whether there is, or was before it was deleted, a visible store of a name."""
    return await tx.fetch_value(_QUERIES["had_store"], name=name)


async def list_stores(tx: ReadTx, request: PageRequest) -> Page[Store]:
    """Return a page of visible stores with their counts."""
    key = _QUERIES["find_store_key"]
    page = await fetch_page(tx, _QUERIES["list_stores"], request, lambda row: Store(**row), key=key)
    return replace(page, rows=await _with_counts(tx, page.rows))


async def update_store(tx: WriteTx, store_id: UUID, *, name: str | None, metadata: Mapping[str, str] | None) -> None:
    """Rename a store or replace its metadata, each where it is given."""
    pairs = dict(metadata) if metadata is not None else None
    await tx.execute(_QUERIES["update_store"], id=store_id, name=name, metadata=pairs)


async def delete_store(tx: WriteTx, store_id: UUID) -> bool:
    """Hide a store; False where there is none."""
    return await tx.execute(_QUERIES["delete_store"], id=store_id) > 0


async def touch_store(tx: WriteTx, store_id: UUID) -> None:
    """Note that a store was used."""
    await tx.execute(_QUERIES["touch_store"], id=store_id)


_COUNTED_AS: Mapping[str, str] = {
    "queued": "in_progress",
    "working": "in_progress",
    "ready": "completed",
    "retired": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}


async def _with_counts(tx: ReadTx, stores: Sequence[Store]) -> Sequence[Store]:
    """Return the stores with how many documents of each state they hold."""
    counts: dict[UUID, dict[str, int]] = {store.id: {} for store in stores}
    for row in await tx.fetch(_QUERIES["count_documents"], store_ids=list(counts)):
        found = counts[row["store_id"]]
        state = _COUNTED_AS[row["state"]]
        found[state] = found.get(state, 0) + row["documents"]
        found["bytes"] = found.get("bytes", 0) + (row["bytes"] or 0)
    return [replace(store, **counts[store.id]) for store in stores]
