"""Files, vector stores and their files in OpenAI's shapes; what is ours besides stands at the end of each."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mainstay.control.access.models import Visibility
from mainstay.kernel.errors import Invalid
from mainstay.kernel.ids import decode_id, encode_id
from mainstay.knowledge.documents.models import (
    BATCH_FILES_MAX,
    File,
    FileBatch,
    NewDocument,
    Store,
    StoredDocument,
    VersionState,
)
from mainstay.platform.http import Exact

Key = Annotated[str, Field(max_length=64)]
# JSON has no infinity, though Python reads one; it would be stored as null and never be read again.
AttributeValue = Annotated[str, Field(max_length=512)] | Annotated[float, Field(allow_inf_nan=False)] | bool
# The table takes 16,384 bytes, of which JSONB needs some for itself; 512 characters may be 2,048 bytes.
PAIRS_BYTES_MAX = 15_000
KNOWN_FILES_MAX = 1_000
FileStatus = Literal["in_progress", "completed", "failed", "cancelled"]

STATUSES: Mapping[VersionState, FileStatus] = {
    "queued": "in_progress",
    "working": "in_progress",
    "ready": "completed",
    "retired": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}


def states_of(status: FileStatus | None) -> Sequence[VersionState] | None:
    """Return the states that a status stands for, or None for all of them."""
    return [state for state, shown in STATUSES.items() if shown == status] if status else None


def _small(pairs: Mapping[str, object]) -> Mapping[str, object]:
    size = sum(len(str(part).encode()) for pair in pairs.items() for part in pair)
    if size > PAIRS_BYTES_MAX:
        raise ValueError(f"keys and values have {size} bytes together, at most {PAIRS_BYTES_MAX} are taken")
    return pairs


def _no_expiry(given: object) -> object:
    if given is not None:
        raise ValueError("stores do not expire here; leave it out, and delete the store when it is done with")
    return given


def _auto_only(given: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if given is not None and given.get("type") != "auto":
        raise ValueError("documents are cut where their structure says; leave it out, or send the type 'auto'")
    return given


Metadata = Annotated[dict[Key, Annotated[str, Field(max_length=512)]], Field(max_length=16), AfterValidator(_small)]
AttributePairs = Annotated[dict[Key, AttributeValue], Field(max_length=16), AfterValidator(_small)]
# What OpenAI's clients may send and nothing here does: refused, so that nobody counts on it.
NoExpiry = Annotated[Mapping[str, Any] | None, AfterValidator(_no_expiry)]
ChunkingStrategy = Annotated[Mapping[str, Any] | None, AfterValidator(_auto_only)]


class FileObject(BaseModel):
    """An upload."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"
    visibility: Visibility

    @classmethod
    def of(cls, file: File) -> "FileObject":
        """Return the outer form of an upload."""
        return cls(
            id=encode_id("file-", file.id),
            bytes=file.size_bytes,
            created_at=int(file.created_at.timestamp()),
            filename=file.filename,
            purpose=file.purpose,
            visibility=file.visibility,
        )


class StoreCreate(BaseModel):
    """A vector store to be made; with `reuse` an existing one of the name is returned instead."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(default="", max_length=256)
    file_ids: Sequence[str] = Field(default=(), max_length=100)
    metadata: Metadata | None = None
    expires_after: NoExpiry = None
    chunking_strategy: ChunkingStrategy = None
    visibility: Visibility | None = None
    reuse: bool = False


class StoreUpdate(BaseModel):
    """What of a store is to change; what is left out stays, and null empties it."""

    model_config = ConfigDict(extra="ignore")

    name: str | None = Field(default=None, max_length=256)
    metadata: Metadata | None = None
    expires_after: NoExpiry = None

    def name_given(self) -> str | None:
        """Return the new name, or None where it stays."""
        return self.name or "" if "name" in self.model_fields_set else None

    def metadata_given(self) -> dict[str, str] | None:
        """Return the new metadata, or None where they stay."""
        return self.metadata or {} if "metadata" in self.model_fields_set else None


class FileCounts(BaseModel):
    """How many files of a store are in which state."""

    in_progress: int
    completed: int
    failed: int
    cancelled: int
    total: int


class StoreObject(BaseModel):
    """A vector store: a knowledge base."""

    id: str
    object: Literal["vector_store"] = "vector_store"
    created_at: int
    name: str
    usage_bytes: int
    file_counts: FileCounts
    status: Literal["completed", "in_progress"]
    last_active_at: int
    metadata: Mapping[str, str]
    visibility: Visibility

    @classmethod
    def of(cls, store: Store) -> "StoreObject":
        """Return the outer form of a store."""
        counts = FileCounts(
            in_progress=store.in_progress,
            completed=store.completed,
            failed=store.failed,
            cancelled=store.cancelled,
            total=store.in_progress + store.completed + store.failed + store.cancelled,
        )
        return cls(
            id=encode_id("vs_", store.id),
            created_at=int(store.created_at.timestamp()),
            name=store.name,
            usage_bytes=store.bytes,
            file_counts=counts,
            status="in_progress" if store.in_progress else "completed",
            last_active_at=int(store.last_active_at.timestamp()),
            metadata=store.metadata,
            visibility=store.visibility,
        )


class StoreFileCreate(BaseModel):
    """An upload to be put into a store; `external_id` names the document whose version it becomes."""

    model_config = ConfigDict(extra="ignore")

    file_id: str
    attributes: AttributePairs | None = None
    chunking_strategy: ChunkingStrategy = None
    external_id: str | None = Field(default=None, min_length=1, max_length=1024)

    def document(self) -> NewDocument:
        """Return what is to be added; the attribute `external_id` names it where OpenAI's own client cannot."""
        attributes = self.attributes or {}
        given = attributes.get("external_id")
        named = self.external_id or (given if isinstance(given, str) and given else None)
        return NewDocument(decode_id("file-", self.file_id), named or self.file_id, attributes)


class StoreFileUpdate(BaseModel):
    """The attributes that a file of a store has from now on."""

    model_config = ConfigDict(extra="ignore")

    attributes: AttributePairs | None


class FileBatchCreate(BaseModel):
    """Uploads to be put into a store together: by their ids with attributes for all, or each with its own."""

    model_config = ConfigDict(extra="ignore")

    file_ids: Sequence[str] = Field(default=(), max_length=BATCH_FILES_MAX)
    files: Sequence[StoreFileCreate] = Field(default=(), max_length=BATCH_FILES_MAX)
    attributes: AttributePairs | None = None
    chunking_strategy: ChunkingStrategy = None

    def documents(self) -> Sequence[NewDocument]:
        """Return what is to be added; raises Invalid unless it is named in one way."""
        if bool(self.file_ids) == bool(self.files):
            raise Invalid("A batch has either file_ids or files; send one of them, and not empty.", param="file_ids")
        files = self.files or [StoreFileCreate(file_id=one, attributes=self.attributes) for one in self.file_ids]
        return [file.document() for file in files]


class FileBatchObject(BaseModel):
    """Files that were put into a store together."""

    id: str
    object: Literal["vector_store.files_batch"] = "vector_store.files_batch"
    created_at: int
    vector_store_id: str
    status: FileStatus
    file_counts: FileCounts

    @classmethod
    def of(cls, batch: FileBatch) -> "FileBatchObject":
        """Return the outer form of a batch; it has failed where every file of it has."""
        total = len(batch.version_ids)
        status: FileStatus = "failed" if batch.failed == total else "completed"
        if batch.in_progress:
            status = "in_progress"
        elif batch.cancelled_at is not None:
            status = "cancelled"
        return cls(
            id=encode_id("vsfb_", batch.id),
            created_at=int(batch.created_at.timestamp()),
            vector_store_id=encode_id("vs_", batch.store_id),
            status=status,
            file_counts=FileCounts(
                in_progress=batch.in_progress,
                completed=batch.completed,
                failed=batch.failed,
                cancelled=batch.cancelled,
                total=total,
            ),
        )


class FileDigest(BaseModel):
    """A content that a client has of a document: what the document is called, and the SHA-256 in hexadecimal."""

    model_config = ConfigDict(extra="ignore")

    # Any path may be asked after; one that is too long for an external_id is not known.
    external_id: str = Field(min_length=1, max_length=4096)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class KnownFilesQuery(BaseModel):
    """What a client has, before it uploads any of it."""

    model_config = ConfigDict(extra="ignore")

    files: Sequence[FileDigest] = Field(max_length=KNOWN_FILES_MAX)


class LastError(BaseModel):
    """Why a file failed, in plain words."""

    code: str
    message: str


class StoreFileObject(BaseModel):
    """A file of a store, which is a document as its newest version stands.

    `id` names this document and no other of the store: it is that of the file, unless a newer document came from the
    same file; then it is that of the document.
    """

    id: str
    object: Literal["vector_store.file"] = "vector_store.file"
    created_at: int
    vector_store_id: str
    status: FileStatus
    last_error: LastError | None
    usage_bytes: int
    attributes: Mapping[str, AttributeValue]
    filename: str
    bytes: int
    external_id: str
    document_id: str
    version: int
    title: str | None
    page_count: int | None
    chunk_count: int | None
    unchanged: bool = False

    @classmethod
    def of(cls, document: StoredDocument, *, unchanged: bool = False) -> "StoreFileObject":
        """Return the outer form of a document; `unchanged` says that its content was known already."""
        error = LastError(code=document.reason_code or "failed", message=document.reason) if document.reason else None
        return cls(
            id=encode_id("doc_", document.id) if document.shadowed else encode_id("file-", document.file_id),
            created_at=int(document.created_at.timestamp()),
            vector_store_id=encode_id("vs_", document.store_id),
            status=STATUSES[document.state],
            last_error=error,
            usage_bytes=document.bytes,
            attributes=document.attributes,
            filename=document.filename,
            bytes=document.bytes,
            external_id=document.external_id,
            document_id=encode_id("doc_", document.id),
            version=document.version_number,
            title=document.title,
            page_count=document.page_count,
            chunk_count=document.chunk_count,
            unchanged=unchanged,
        )


class FileText(Exact):
    """The text of a file."""

    type: Literal["text"]
    text: str


class FileTextPage(Exact):
    """The text of a file as it was read for searching; there is one page."""

    object: Literal["vector_store.file_content.page"]
    data: Sequence[FileText]
    has_more: bool
    next_page: None
