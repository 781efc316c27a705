"""The rules of files and stores."""

from collections.abc import Mapping
from hashlib import sha256
from uuid import UUID

from mainstay.control.access import service as access
from mainstay.control.access.models import Caller, Visibility
from mainstay.control.audit import service as audit
from mainstay.kernel.errors import Invalid
from mainstay.kernel.ids import encode_id, new_id, not_found
from mainstay.kernel.paging import Page, PageRequest
from mainstay.knowledge.documents import store
from mainstay.knowledge.documents.errors import EmptyFile, FileTooLarge
from mainstay.knowledge.documents.models import File, Store
from mainstay.platform.blobs import Blobs, blob_key
from mainstay.platform.postgres import Database, ReadTx, Scope, WriteTx

FILENAME_MAX = 255
PURPOSES = ("assistants", "batch", "user_data", "evals", "fine-tune", "vision")


async def receive_file(
    database: Database,
    blobs: Blobs,
    scope: Scope,
    *,
    data: bytes,
    filename: str,
    purpose: str,
    content_type: str | None,
    visibility: Visibility,
    bytes_max: int,
) -> File:
    """Keep an upload: first its bytes, then its row with the audit; a crash between leaves bytes that nothing names."""
    if not data:
        raise EmptyFile(f"The file '{filename[:100]}' has no bytes; choose another one.", param="file")
    if len(data) > bytes_max:
        raise FileTooLarge(f"The file has {len(data)} bytes; at most {bytes_max} are taken.", param="file")
    name = clean_filename(filename)
    file_id = new_id()
    digest = sha256(data).digest()
    await blobs.put(blob_key("uploads", scope.tenant_id, file_id), data)
    async with database.write(scope) as tx:
        created_at = await store.insert_file(
            tx,
            file_id=file_id,
            visibility=visibility,
            filename=name,
            purpose=purpose,
            content_type=content_type,
            size=len(data),
            sha256=digest,
        )
        await audit.record(tx, "file.upload", target_id=encode_id("file-", file_id), facts={"bytes": len(data)})
    return File(file_id, scope.principal_id, visibility, name, purpose, content_type, len(data), digest, created_at)


def clean_filename(filename: str) -> str:
    """Return the last part of a name a client sent, without control characters; it is shown, never opened."""
    last = filename.replace("\\", "/").rsplit("/", 1)[-1]
    shown = "".join(letter for letter in last if letter.isprintable()).strip()
    return shown[:FILENAME_MAX] or "unnamed"


def visibility_for(caller: Caller, wanted: Visibility | None) -> Visibility:
    """Return who shall see what the caller makes; raises PermissionDenied for a customer that would share it."""
    if wanted == "tenant":
        access.require(caller, "documents.share")
    return wanted or caller.visibility_default


def _require_changeable(caller: Caller, thing: File | Store) -> None:
    """Raise PermissionDenied for what the caller sees because it is shared, and may not change."""
    if thing.owner_id != caller.principal_id:
        access.require(caller, "documents.share")


async def require_file(tx: ReadTx, file_id: UUID) -> File:
    """Return one visible upload; raises NotFound."""
    found = await store.find_file(tx, file_id)
    if found is None:
        raise not_found("file-", file_id)
    return found


async def page_files(tx: ReadTx, request: PageRequest, *, purpose: str | None = None) -> Page[File]:
    """Return a page of visible uploads."""
    return await store.list_files(tx, request, purpose=purpose)


async def delete_file(tx: WriteTx, caller: Caller, file_id: UUID) -> None:
    """Hide an upload; documents made from it stay until they are taken out of their stores."""
    _require_changeable(caller, await require_file(tx, file_id))
    await store.delete_file(tx, file_id)
    await audit.record(tx, "file.delete", target_id=encode_id("file-", file_id))


async def create_store(tx: WriteTx, *, name: str, metadata: Mapping[str, str], visibility: Visibility) -> Store:
    """Make a store."""
    if len(name) > 256:
        raise Invalid(f"A store's name has at most 256 characters, not {len(name)}.", param="name")
    store_id = new_id()
    await store.insert_store(tx, store_id=store_id, visibility=visibility, name=name, metadata=metadata)
    await audit.record(tx, "store.create", target_id=encode_id("vs_", store_id))
    return await require_store(tx, store_id)


async def find_or_create_store(tx: WriteTx, *, name: str, visibility: Visibility) -> Store:
    """Return the oldest visible store called `name`, made when missing; two callers at once get the same one."""
    await store.lock_name(tx, name)
    found = await store.find_store_named(tx, name)
    return found or await create_store(tx, name=name, metadata={}, visibility=visibility)


async def require_store(tx: ReadTx, store_id: UUID) -> Store:
    """Return one visible store; raises NotFound."""
    found = await store.find_store(tx, store_id)
    if found is None:
        raise not_found("vs_", store_id)
    return found


async def require_sight_of_store(tx: ReadTx, store_id: UUID) -> None:
    """Raise NotFound unless the caller sees the store; costs less than to return it with its counts."""
    if not await store.sees_store(tx, store_id):
        raise not_found("vs_", store_id)


async def require_changeable_store(tx: ReadTx, caller: Caller, store_id: UUID) -> Store:
    """Return one visible store into which the caller may put documents, and from which it may take them."""
    found = await require_store(tx, store_id)
    _require_changeable(caller, found)
    return found


async def find_store_named(tx: ReadTx, name: str) -> Store | None:
    """Return the oldest visible store called `name`."""
    return await store.find_store_named(tx, name)


async def had_store(tx: ReadTx, name: str) -> bool:
    """Return whether there is a visible store called `name`, or was before somebody deleted it."""
    return await store.had_store(tx, name)


async def page_stores(tx: ReadTx, request: PageRequest) -> Page[Store]:
    """Return a page of visible stores."""
    return await store.list_stores(tx, request)


async def update_store(
    tx: WriteTx, caller: Caller, store_id: UUID, *, name: str | None, metadata: Mapping[str, str] | None
) -> Store:
    """Rename a store or replace its metadata, each where it is given."""
    await require_changeable_store(tx, caller, store_id)
    await store.update_store(tx, store_id, name=name, metadata=metadata)
    await audit.record(tx, "store.update", target_id=encode_id("vs_", store_id))
    return await require_store(tx, store_id)


async def delete_store(tx: WriteTx, caller: Caller, store_id: UUID) -> None:
    """Hide a store and everything in it."""
    await require_changeable_store(tx, caller, store_id)
    await store.delete_store(tx, store_id)
    await audit.record(tx, "store.delete", target_id=encode_id("vs_", store_id))
