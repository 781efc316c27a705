"""Files, vector stores and their files in OpenAI's shapes; what is ours besides stands at the end of each."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from mainstay.control.access.models import Visibility
from mainstay.kernel.ids import encode_id
from mainstay.knowledge.documents.models import File, Store, StoredDocument, VersionState

Key = Annotated[str, Field(max_length=64)]
AttributeValue = Annotated[str, Field(max_length=512)] | float | bool
FileStatus = Literal["in_progress", "completed", "failed", "cancelled"]

STATUSES: Mapping[VersionState, FileStatus] = {
    "queued": "in_progress",
    "working": "in_progress",
    "ready": "completed",
    "retired": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}


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


class Deleted(BaseModel):
    """What was removed."""

    id: str
    object: str
    deleted: Literal[True] = True


class StoreCreate(BaseModel):
    """A vector store to be made; with `reuse` an existing one of the name is returned instead."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(default="", max_length=256)
    file_ids: Sequence[str] = Field(default=(), max_length=100)
    metadata: dict[Key, Annotated[str, Field(max_length=512)]] | None = Field(default=None, max_length=16)
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
    attributes: dict[Key, AttributeValue] | None = Field(default=None, max_length=16)
    external_id: str | None = Field(default=None, min_length=1, max_length=1024)


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
