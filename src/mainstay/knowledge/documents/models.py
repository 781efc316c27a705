"""Files as uploaded, stores that are searched, documents in them, and the versions of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from mainstay.control.access.models import Visibility
from mainstay.platform.jobs import JobKind

VersionState = Literal["queued", "working", "ready", "retired", "failed", "cancelled"]
SourceState = Literal["current", "changed", "deleted"]
Attributes = Mapping[str, str | float | bool]

BATCH_FILES_MAX = 2_000


@dataclass(frozen=True)
class IngestPayload:
    """The version that is to be ingested."""

    version_id: UUID


# The kind of job that turns a version into chunks and an index; retrieval handles it.
INGEST = JobKind("documents.ingest", payload=IngestPayload, queue="ingest", timeout_s=900, attempts_max=5)


@dataclass(frozen=True)
class File:
    """An upload, kept as it came under a key of ours."""

    id: UUID
    owner_id: UUID
    visibility: Visibility
    filename: str
    purpose: str
    content_type: str | None
    size_bytes: int
    sha256: bytes
    created_at: datetime


@dataclass(frozen=True)
class Store:
    """A set of documents that is searched as one."""

    id: UUID
    owner_id: UUID
    visibility: Visibility
    name: str
    metadata: Mapping[str, str]
    created_at: datetime
    last_active_at: datetime
    in_progress: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Audience:
    """Principals and groups with whom something is shared."""

    principal_ids: tuple[UUID, ...] = ()
    group_ids: tuple[UUID, ...] = ()

    @property
    def size(self) -> int:
        """How many principals and groups there are."""
        return len(self.principal_ids) + len(self.group_ids)


@dataclass(frozen=True)
class StoredDocument:
    """A document of a store, as its newest version stands.

    Its file's id names it unless it is `shadowed` by a newer document of the same file.
    """

    id: UUID
    store_id: UUID
    external_id: str
    attributes: Attributes
    version_id: UUID
    version_number: int
    version_current_id: UUID | None
    file_id: UUID
    filename: str
    bytes: int
    state: VersionState
    reason_code: str | None
    reason: str | None
    title: str | None
    page_count: int | None
    chunk_count: int | None
    created_at: datetime
    ready_at: datetime | None
    shadowed: bool


@dataclass(frozen=True)
class NewDocument:
    """An upload to be put into a store as the document called `external_id`."""

    file_id: UUID
    external_id: str
    attributes: Attributes


@dataclass(frozen=True)
class FileBatch:
    """Files that were put into a store together, and how many of their versions are in which state."""

    id: UUID
    store_id: UUID
    version_ids: Sequence[UUID]
    created_at: datetime
    cancelled_at: datetime | None
    in_progress: int
    completed: int
    failed: int
    cancelled: int


@dataclass(frozen=True)
class Added:
    """What adding a file to a store led to: `changed` is False where the content was known and nothing will be done."""

    document_id: UUID
    version_id: UUID
    changed: bool


@dataclass(frozen=True)
class VersionWork:
    """What an ingest job needs to know of its version."""

    version_id: UUID
    number: int
    document_id: UUID
    store_id: UUID
    file_id: UUID
    filename: str
    content_type: str | None
    state: VersionState
    version_current_id: UUID | None
    number_current: int


@dataclass(frozen=True)
class ReadyVersion:
    """What a version turned out to hold; `pages` are their numbers and the offsets at which they begin."""

    text: str
    pages: Sequence[tuple[int, int]]
    title: str | None
    content_type: str
    chunk_count: int


@dataclass(frozen=True)
class VersionCard:
    """What a citation shows of a version."""

    version_id: UUID
    number: int
    file_id: UUID
    filename: str
    title: str | None
    external_id: str
    attributes: Attributes
    page_count: int | None


@dataclass(frozen=True)
class Slice:
    """A piece of a version's text, and the page on which it begins, where the format has pages."""

    text: str
    page: int | None
