"""The rules of batches: files that are put into a store together, in one commit, and can be cancelled together."""

from collections.abc import Sequence
from uuid import UUID

from mainstay.control.access.models import Caller
from mainstay.control.audit import service as audit
from mainstay.kernel.ids import encode_id, new_id, not_found
from mainstay.kernel.paging import Page, PageRequest
from mainstay.knowledge.documents import service, version_store, versions
from mainstay.knowledge.documents.models import FileBatch, NewDocument, StoredDocument, VersionState
from mainstay.platform.postgres import ReadTx, WriteTx


async def create(tx: WriteTx, caller: Caller, store_id: UUID, new: Sequence[NewDocument]) -> FileBatch:
    """Put uploads into a store; each is a job of its own."""
    store = await service.require_changeable_store(tx, caller, store_id)
    # In one order, so that two batches of the same documents do not wait for each other in a circle.
    in_order = sorted(new, key=lambda one: one.external_id)
    added = [await versions.add_file(tx, store, one) for one in in_order]
    batch_id = new_id()
    version_ids = list(dict.fromkeys(one.version_id for one in added))
    await version_store.insert_batch(tx, batch_id=batch_id, store_id=store_id, version_ids=version_ids)
    await audit.record(tx, "batch.create", target_id=encode_id("vsfb_", batch_id), facts={"files": len(version_ids)})
    return await require(tx, store_id, batch_id)


async def require(tx: ReadTx, store_id: UUID, batch_id: UUID) -> FileBatch:
    """Return one batch of a visible store; raises NotFound."""
    await service.require_sight_of_store(tx, store_id)
    found = await version_store.find_batch(tx, store_id, batch_id)
    if found is None:
        raise not_found("vsfb_", batch_id)
    return found


async def page(
    tx: ReadTx, store_id: UUID, batch_id: UUID, request: PageRequest, *, states: Sequence[VersionState] | None = None
) -> Page[StoredDocument]:
    """Return a page of the documents of a batch, each as its newest version stands."""
    batch = await require(tx, store_id, batch_id)
    return await versions.page(tx, store_id, request, states=states, version_ids=batch.version_ids)


async def cancel(tx: WriteTx, caller: Caller, store_id: UUID, batch_id: UUID) -> FileBatch:
    """Cancel what the batch brought in and still waits; what is ready stays."""
    await service.require_changeable_store(tx, caller, store_id)
    await require(tx, store_id, batch_id)
    cancelled = await version_store.cancel_batch(tx, batch_id)
    await audit.record(tx, "batch.cancel", target_id=encode_id("vsfb_", batch_id), facts={"cancelled": cancelled})
    return await require(tx, store_id, batch_id)
