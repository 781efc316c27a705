"""The SQL of documents and their versions."""

from collections.abc import Sequence
from uuid import UUID

from mainstay.kernel.paging import Page, PageRequest
from mainstay.knowledge.documents.errors import ExternalIdTaken
from mainstay.knowledge.documents.models import (
    Attributes,
    FileBatch,
    ReadyVersion,
    Slice,
    SourceState,
    StoredDocument,
    VersionCard,
    VersionState,
    VersionWork,
)
from mainstay.platform.postgres import (
    InsufficientPrivilege,
    ReadTx,
    Record,
    WriteTx,
    fetch_page,
    load_queries,
)

_QUERIES = load_queries(__package__)


async def claim_document(
    tx: WriteTx, *, document_id: UUID, store_id: UUID, external_id: str, attributes: Attributes
) -> UUID:
    """Return the id of the document called `external_id`, made under `document_id` when missing, and lock it.

    Raises ExternalIdTaken where a document is called so that the caller does not see: row security lets it neither
    change that one nor make another.
    """
    try:
        return await tx.change_value(
            _QUERIES["claim_document"],
            id=document_id,
            store_id=store_id,
            external_id=external_id,
            attributes=dict(attributes),
        )
    except InsufficientPrivilege:
        raise ExternalIdTaken(
            f"The external_id '{external_id[:80]}' is taken by a document that is not shared with you: choose another.",
            param="external_id",
        ) from None


async def newest_version(tx: ReadTx, document_id: UUID) -> Record | None:
    """Return id, number, sha256 and state of a document's newest version."""
    return await tx.fetch_one(_QUERIES["newest_version"], document_id=document_id)


async def insert_version(
    tx: WriteTx, *, version_id: UUID, store_id: UUID, document_id: UUID, file_id: UUID, number: int, sha256: bytes
) -> None:
    """Add a version to be ingested."""
    await tx.execute(
        _QUERIES["insert_version"],
        id=version_id,
        store_id=store_id,
        document_id=document_id,
        file_id=file_id,
        number=number,
        sha256=sha256,
    )


async def requeue_version(tx: WriteTx, version_id: UUID, file_id: UUID) -> None:
    """Give a failed version another try, from a new upload of its content."""
    await tx.execute(_QUERIES["requeue_version"], id=version_id, file_id=file_id)


async def find_work(tx: WriteTx, version_id: UUID) -> VersionWork | None:
    """Return what an ingest job needs to know, with version and document locked; None where they are gone."""
    row = await tx.fetch_one(_QUERIES["find_work"], id=version_id)
    return VersionWork(**row) if row else None


async def start_version(tx: WriteTx, version_id: UUID) -> None:
    """Note that a worker has begun."""
    await tx.execute(_QUERIES["start_version"], id=version_id)


async def finish_version(tx: WriteTx, version_id: UUID, ready: ReadyVersion) -> None:
    """Make a version ready, and keep its text."""
    await tx.execute(
        _QUERIES["finish_version"],
        id=version_id,
        title=ready.title,
        content_type=ready.content_type,
        page_count=len(ready.pages),
        char_count=len(ready.text),
        chunk_count=ready.chunk_count,
    )
    await tx.execute(
        _QUERIES["insert_text"],
        version_id=version_id,
        text=ready.text,
        page_numbers=[number for number, _ in ready.pages],
        page_starts=[start for _, start in ready.pages],
    )


async def set_current(tx: WriteTx, document_id: UUID, version_id: UUID) -> None:
    """Let a document be retrieved by this version from now on."""
    await tx.execute(_QUERIES["set_current"], id=document_id, version_id=version_id)


async def end_version(
    tx: WriteTx, version_id: UUID, state: VersionState, *, reason_code: str | None = None, reason: str | None = None
) -> bool:
    """End a version that was waiting or at work; False where it had ended already."""
    ended = await tx.execute(
        _QUERIES["end_version"], id=version_id, state=state, reason_code=reason_code, reason=reason
    )
    return ended > 0


async def retire_version(tx: WriteTx, version_id: UUID) -> None:
    """Note that a version is not retrieved any more."""
    await tx.execute(_QUERIES["retire_version"], id=version_id)


async def list_documents(
    tx: ReadTx,
    store_id: UUID,
    request: PageRequest,
    *,
    states: Sequence[VersionState] | None,
    version_ids: Sequence[UUID] | None,
) -> Page[StoredDocument]:
    """Return a page of the documents of a visible store, of some states or with some versions where asked."""
    return await fetch_page(
        tx,
        _QUERIES["list_documents"],
        request,
        lambda row: StoredDocument(**row),
        key=_QUERIES["find_document_key"],
        store_id=store_id,
        states=list(states) if states else None,
        version_ids=list(version_ids) if version_ids is not None else None,
    )


async def find_document_of_file(
    tx: ReadTx, store_id: UUID, named_id: UUID, document_id: UUID | None
) -> StoredDocument | None:
    """Return the document of a visible store that an id names, its own or a file's; several may have its content."""
    row = await tx.fetch_one(_QUERIES["find_document_of_file"], store_id=store_id, id=named_id, document_id=document_id)
    return StoredDocument(**row) if row else None


async def set_attributes(tx: WriteTx, document_id: UUID, attributes: Attributes) -> None:
    """Replace the attributes of a document."""
    await tx.execute(_QUERIES["set_attributes"], id=document_id, attributes=dict(attributes))


async def matching(tx: ReadTx, store_id: UUID, condition: str) -> Sequence[UUID]:
    """Return the versions by which a store is searched whose documents' attributes meet a condition in jsonpath."""
    rows = await tx.fetch(_QUERIES["list_matching_versions"], store_id=store_id, condition=condition)
    return [row["version_id"] for row in rows]


async def insert_batch(tx: WriteTx, *, batch_id: UUID, store_id: UUID, version_ids: Sequence[UUID]) -> None:
    """Note which files were put into a store together."""
    await tx.execute(_QUERIES["insert_batch"], id=batch_id, store_id=store_id, version_ids=list(version_ids))


async def find_batch(tx: ReadTx, store_id: UUID, batch_id: UUID) -> FileBatch | None:
    """Return one batch of a store."""
    row = await tx.fetch_one(_QUERIES["find_batch"], store_id=store_id, id=batch_id)
    return FileBatch(**row) if row else None


async def cancel_batch(tx: WriteTx, batch_id: UUID) -> int:
    """Cancel what a batch brought in and still waits, and return how many versions that were."""
    await tx.execute(_QUERIES["cancel_batch"], id=batch_id)
    return await tx.execute(_QUERIES["cancel_batch_versions"], id=batch_id)


async def find_known_documents(
    tx: ReadTx, store_id: UUID, digests: Sequence[tuple[str, bytes]]
) -> Sequence[StoredDocument]:
    """Return those documents of a visible store that stand with just this content, given as (external_id, SHA-256)."""
    rows = await tx.fetch(
        _QUERIES["find_known_documents"],
        store_id=store_id,
        external_ids=[external_id for external_id, _ in digests],
        sha256s=[sha256 for _, sha256 in digests],
    )
    return [StoredDocument(**row) for row in rows]


async def delete_document(tx: WriteTx, document_id: UUID) -> None:
    """Take a document out of its store, and cancel what still waits of it."""
    await tx.execute(_QUERIES["delete_document"], id=document_id)
    await tx.execute(_QUERIES["cancel_versions"], document_id=document_id)


async def slice_text(tx: ReadTx, version_id: UUID, start_char: int, end_char: int) -> Slice | None:
    """Return the code points [start_char, end_char) of a version's text with the page of the first."""
    row = await tx.fetch_one(_QUERIES["slice_text"], version_id=version_id, start_char=start_char, end_char=end_char)
    return Slice(row["text"], row["page"]) if row else None


async def read_text(tx: ReadTx, version_id: UUID) -> str | None:
    """Return the text of a version that was ready, for whoever may see its store."""
    return await tx.fetch_value(_QUERIES["read_text"], version_id=version_id)


async def states_of(tx: ReadTx, version_ids: Sequence[UUID]) -> dict[UUID, SourceState]:
    """Return how versions stand today: current, changed or deleted."""
    rows = await tx.fetch(_QUERIES["states_of"], version_ids=list(version_ids))
    return {row["version_id"]: row["state"] for row in rows}


async def describe(tx: ReadTx, version_ids: Sequence[UUID]) -> dict[UUID, VersionCard]:
    """Return what a citation shows of each version."""
    rows = await tx.fetch(_QUERIES["describe_versions"], version_ids=list(version_ids))
    return {row["version_id"]: VersionCard(**row) for row in rows}
