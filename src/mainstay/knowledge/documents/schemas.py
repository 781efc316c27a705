"""Files, vector stores and their files in OpenAI's shapes; what is ours besides stands at the end of each."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mainstay.control.access.models import Visibility
from mainstay.kernel.ids import encode_id
from mainstay.knowledge.documents.models import File, Store, StoredDocument, VersionState

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


def _small(pairs: Mapping[str, object]) -> Mapping[str, object]:
    size = sum(len(str(part).encode()) for pair in pairs.items() for part in pair)
    if size > PAIRS_BYTES_MAX:
        raise ValueError(f"keys and values have {size} bytes together, at most {PAIRS_BYTES_MAX} are taken")
    return pairs


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
    metadata: (
        Annotated[dict[Key, Annotated[str, Field(max_length=512)]], Field(max_length=16), AfterValidator(_small)] | None
    ) = None
    visibility: Visibility | None = None
    reuse: bool = False


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
    attributes: Annotated[dict[Key, AttributeValue], Field(max_length=16), AfterValidator(_small)] | None = None
    external_id: str | None = Field(default=None, min_length=1, max_length=1024)


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
    """A file of a store, which is a document as its newest version stands."""

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
            id=encode_id("file-", document.file_id),
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
