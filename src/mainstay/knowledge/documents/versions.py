"""The rules of documents: never overwritten, each content a version, and nothing ready with nothing in it.

queued → working → ready → retired
                 ↘ failed (with a reason; the same content sent again gets another try)
                 ↘ cancelled (overtaken by a newer version, or its document was taken out)
"""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from mainstay.control.audit import service as audit
from mainstay.kernel.errors import Invalid, invariant
from mainstay.kernel.ids import OuterId, encode_id, new_id, not_found
from mainstay.kernel.paging import Page, PageRequest
from mainstay.knowledge.documents import service, share_store, version_store
from mainstay.knowledge.documents.errors import NotRead, PrivateFile
from mainstay.knowledge.documents.filters import condition_of
from mainstay.knowledge.documents.models import (
    INGEST,
    Added,
    Attributes,
    File,
    IngestPayload,
    NewDocument,
    ReadyVersion,
    Slice,
    SourceState,
    Store,
    StoredDocument,
    VersionCard,
    VersionState,
    VersionWork,
)
from mainstay.platform.jobs import enqueue
from mainstay.platform.postgres import ReadTx, WriteTx

EXTERNAL_ID_MAX = 1024
# A row of a B-tree holds 2,704 bytes, and a character takes up to four.
EXTERNAL_ID_BYTES_MAX = 2048
REASON_MAX = 1000


async def add_file(tx: WriteTx, store: Store, new: NewDocument) -> Added:
    """Put an upload into a visible store as the document of its external id, or as a new version of it.

    Content that the document's newest version has already is recognised by its hash and costs nothing.
    """
    file = await service.require_file(tx, new.file_id)
    if not await share_store.has_file(tx, store.id, new.file_id):
        _check_as_visible_as(store, file)
    _check_external_id(new.external_id)
    document_id = await version_store.claim_document(
        tx, document_id=new_id(), store_id=store.id, external_id=new.external_id, attributes=new.attributes
    )
    newest = await version_store.newest_version(tx, document_id)
    if newest and newest["sha256"] == file.sha256 and newest["state"] != "cancelled":
        return await _add_known(tx, document_id, newest["id"], newest["state"], file.id)
    version_id, number = new_id(), newest["number"] + 1 if newest else 1
    await version_store.insert_version(
        tx,
        version_id=version_id,
        store_id=store.id,
        document_id=document_id,
        file_id=file.id,
        number=number,
        sha256=file.sha256,
    )
    await _narrow_file(tx, store, file, document_id)
    await _enqueue(tx, version_id)
    await audit.record(tx, "document.add", target_id=encode_id("doc_", document_id), facts={"version": number})
    return Added(document_id, version_id, changed=True)


def _check_as_visible_as(store: Store, file: File) -> None:
    """Raise PrivateFile where someone who sees the store does not see the file, and so could not be cited from it."""
    if file.visibility == "private" and (store.visibility == "tenant" or store.owner_id != file.owner_id):
        raise PrivateFile(
            "The file is private and the store is seen by others: upload the file with visibility 'tenant',"
            " or put it into a private store of its owner.",
            param="file_id",
        )


async def _narrow_file(tx: WriteTx, store: Store, file: File, document_id: UUID) -> None:
    """Make a file private that was put where not everyone looks; whoever sees the document goes on seeing it.

    Of others' files only somebody who sees all does so: to put what the tenant shares into a private store of one's
    own takes it from nobody.
    """
    own = file.owner_id == tx.scope.principal_id or tx.scope.sees_all
    if own and (store.visibility == "private" or await share_store.is_restricted(tx, document_id)):
        await share_store.narrow_files(tx, store.id, document_id=document_id, file_id=file.id)


def _check_external_id(external_id: str) -> None:
    size = len(external_id.encode(errors="surrogatepass"))
    if not 1 <= len(external_id) <= EXTERNAL_ID_MAX or size > EXTERNAL_ID_BYTES_MAX:
        raise Invalid(
            f"An external_id has 1 to {EXTERNAL_ID_MAX} characters and at most {EXTERNAL_ID_BYTES_MAX} bytes,"
            f" not {len(external_id)} and {size}.",
            param="external_id",
        )


async def _add_known(tx: WriteTx, document_id: UUID, version_id: UUID, state: VersionState, file_id: UUID) -> Added:
    """Do nothing for content that is known, unless its ingest failed: then it gets another try, from this upload."""
    target_id = encode_id("doc_", document_id)
    if state != "failed":
        await audit.record(tx, "document.unchanged", target_id=target_id)
        return Added(document_id, version_id, changed=False)
    await version_store.requeue_version(tx, version_id, file_id)
    await _enqueue(tx, version_id)
    await audit.record(tx, "document.retry", target_id=target_id)
    return Added(document_id, version_id, changed=True)


async def _enqueue(tx: WriteTx, version_id: UUID) -> None:
    await enqueue(
        tx,
        INGEST,
        IngestPayload(version_id),
        request_id=tx.scope.request_id,
        unique_key=f"{INGEST.name}:{version_id.hex}",
    )


async def start(tx: WriteTx, version_id: UUID) -> VersionWork | None:
    """Return what there is to do for a version and note that a worker has begun; None where nothing is left to do."""
    work = await version_store.find_work(tx, version_id)
    if work is None or work.state not in ("queued", "working"):
        return None
    await version_store.start_version(tx, version_id)
    return work


async def finish(tx: WriteTx, version_id: UUID, ready: ReadyVersion) -> UUID | None:
    """Make a version ready and current; return the version that it retires, if there is one.

    Raises Overtaken where a newer version was ready first, or the document is gone.
    """
    invariant(ready.chunk_count > 0 and bool(ready.text.strip()), "a version with nothing in it cannot be ready")
    work = await version_store.find_work(tx, version_id)
    if work is None or work.state not in ("queued", "working") or work.number < work.number_current:
        raise Overtaken(f"version {version_id} was overtaken")
    await version_store.finish_version(tx, version_id, ready)
    await version_store.set_current(tx, work.document_id, version_id)
    if work.version_current_id is not None:
        await version_store.retire_version(tx, work.version_current_id)
    await audit.record(
        tx,
        "document.ready",
        target_id=encode_id("doc_", work.document_id),
        facts={"version": work.number, "chunks": ready.chunk_count},
    )
    return work.version_current_id


class Overtaken(Exception):
    """A newer version of the document was ready first; this one must not replace it."""


async def cancel(tx: WriteTx, version_id: UUID) -> None:
    """End a version that was overtaken."""
    await version_store.end_version(tx, version_id, "cancelled")
    await audit.record(tx, "document.cancelled", facts={"version_id": str(version_id)})


async def fail(tx: WriteTx, version_id: UUID, *, code: str, reason: str) -> None:
    """End a version with a reason in plain words; what was retrieved before goes on being retrieved."""
    await version_store.end_version(tx, version_id, "failed", reason_code=code, reason=reason[:REASON_MAX])
    await audit.record(
        tx, "document.failed", outcome="failed", facts={"version_id": str(version_id), "reason_code": code}
    )


async def page(
    tx: ReadTx,
    store_id: UUID,
    request: PageRequest,
    *,
    states: Sequence[VersionState] | None = None,
    version_ids: Sequence[UUID] | None = None,
) -> Page[StoredDocument]:
    """Return a page of the documents of a visible store; a cursor is the id of a document or of its file."""
    await service.require_sight_of_store(tx, store_id)
    return await version_store.list_documents(tx, store_id, request, states=states, version_ids=version_ids)


async def require(tx: ReadTx, store_id: UUID, named: OuterId, *, document_id: UUID | None = None) -> StoredDocument:
    """Return the document of a visible store that an id names; raises NotFound.

    A document's own id names it. A file's id names the newest document that stands as this file, or came from it or
    its content; `document_id` says which of several is meant.
    """
    found = await version_store.find_document_of_file(tx, store_id, named.value, document_id)
    if found is None:
        raise not_found(*named)
    return found


async def find_known(tx: ReadTx, store_id: UUID, digests: Sequence[tuple[str, bytes]]) -> Sequence[StoredDocument]:
    """Return the documents of a visible store, of those asked for, that `add_file` would find unchanged.

    A document is asked for by its external id and the SHA-256 of a content. Raises NotFound for the store alone: of a
    document nothing is told but whether it stands with that content.
    """
    await service.require_sight_of_store(tx, store_id)
    return await version_store.find_known_documents(tx, store_id, digests)


async def set_attributes(tx: WriteTx, store_id: UUID, named: OuterId, attributes: Attributes) -> StoredDocument:
    """Replace the attributes of a document."""
    found = await require(tx, store_id, named)
    await version_store.set_attributes(tx, found.id, attributes)
    await audit.record(tx, "document.update", target_id=encode_id("doc_", found.id))
    return replace(found, attributes=attributes)


async def read_text(tx: ReadTx, store_id: UUID, named: OuterId) -> str:
    """Return the text that was read from a file of a visible store; raises NotRead where there is none yet."""
    found = await require(tx, store_id, named)
    text = await version_store.read_text(tx, found.version_id)
    if text is None:
        raise NotRead(found.reason or f"The file is {found.state} and has no text: ask again once it is completed.")
    return text


async def remove(tx: WriteTx, store_id: UUID, named: OuterId) -> StoredDocument:
    """Take a document out of its store; the caller lets retrieval forget its current version."""
    found = await require(tx, store_id, named)
    await version_store.delete_document(tx, found.id)
    await audit.record(tx, "document.remove", target_id=encode_id("doc_", found.id))
    return found


def check_filters(filters: object) -> None:
    """Raise InvalidFilter for a filter over attributes that cannot be understood."""
    condition_of(filters)


async def matching(tx: ReadTx, store_id: UUID, filters: object) -> Sequence[UUID]:
    """Return the versions by which a store is searched whose documents' attributes meet a filter."""
    return await version_store.matching(tx, store_id, condition_of(filters))


async def find_quote(tx: ReadTx, version_id: UUID, quote: str, start_char: int) -> Slice | None:
    """Return `quote` with its page if a version's text has it at `start_char`; no citation is shown without."""
    found = await version_store.slice_text(tx, version_id, start_char, start_char + len(quote))
    return found if found is not None and quote and found.text == quote else None


async def states_of(tx: ReadTx, version_ids: Sequence[UUID]) -> dict[UUID, SourceState]:
    """Return how versions that answers used stand today: current, changed or deleted."""
    return await version_store.states_of(tx, version_ids)


async def describe(tx: ReadTx, version_ids: Sequence[UUID]) -> dict[UUID, VersionCard]:
    """Return what a citation shows of each version."""
    return await version_store.describe(tx, version_ids)
