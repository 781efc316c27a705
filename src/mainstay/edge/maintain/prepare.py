"""What stands between an empty database and a system that answers: schema, tenant, key, sample documents."""

from pathlib import Path

import structlog

from mainstay.config import Settings, load_settings
from mainstay.control.access import service as access
from mainstay.control.access.models import Caller
from mainstay.edge.maintain.database import open_database, scope_key_of
from mainstay.edge.maintain.tenants import create_key, create_tenant, find_tenant
from mainstay.kernel.ids import new_id
from mainstay.knowledge.documents import service as documents
from mainstay.knowledge.documents import versions
from mainstay.knowledge.documents.models import NewDocument
from mainstay.platform.blobs import Blobs
from mainstay.platform.postgres import Database
from mainstay.platform.postgres.migrations import migrate, trust_scope_key
from mainstay.platform.postgres.posture import require_safe_role
from mainstay.samples import SAMPLES, sample_files
from mainstay.schema import migrations

log = structlog.get_logger(__name__)

DEMO_TENANT = "demo"
DEMO_PLAN = "scale"
SAMPLES_STORE = "samples"


async def prepare(owner_url: str, app_url: str, home: Path) -> None:
    """Migrate, prove that the serving role is weak enough, and make what a new system needs; twice changes nothing."""
    settings = load_settings(home=home)
    if owner_url != app_url:
        async with open_database(settings, app_url, as_owner=False) as database:
            login = await database.current_role()
        await migrate(owner_url, migrations(), runtime_login=login)
        await trust_scope_key(owner_url, scope_key_of(settings))
    await require_safe_role(app_url)
    if owner_url != app_url:
        await _ensure_demo(settings, owner_url, app_url)


async def _ensure_demo(settings: Settings, owner_url: str, app_url: str) -> None:
    """Make the tenant `demo`, its key in a file of mode 0600, and its sample documents, where they are missing."""
    file = settings.key_file
    tenant_id = await find_tenant(settings, owner_url, DEMO_TENANT)
    if tenant_id is None:
        key = (await create_tenant(settings, owner_url, DEMO_TENANT, plan=DEMO_PLAN)).key
    elif not file.exists():
        key = await create_key(
            settings, owner_url, tenant=DEMO_TENANT, role="owner", name="owner", expires_in_days=None
        )
    else:
        key = None
    if key is not None:
        write_private(file, key.secret + "\n")
    await _ensure_samples(settings, app_url, file.read_text().strip())


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_suffix(".new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(file)


async def _ensure_samples(settings: Settings, app_url: str, secret: str) -> None:
    """Upload the sample documents into their store, unless it stands or was deleted; a worker ingests them."""
    blobs = Blobs.in_folder(settings.home / "blobs")
    async with open_database(settings, app_url, as_owner=False) as database:
        caller = await access.authenticate(database, secret, request_id=f"cli_{new_id().hex}")
        async with database.read(caller.scope) as tx:
            if await documents.had_store(tx, SAMPLES_STORE):
                return
        await _add_samples(database, blobs, caller)


async def _add_samples(database: Database, blobs: Blobs, caller: Caller) -> None:
    kept = {
        path.relative_to(SAMPLES).as_posix(): await documents.receive_file(
            database,
            blobs,
            caller.scope,
            data=path.read_bytes(),
            filename=path.name,
            purpose="assistants",
            content_type=None,
            visibility="tenant",
            bytes_max=50_000_000,
        )
        for path in sample_files()
    }
    async with database.write(caller.scope) as tx:
        store = await documents.find_or_create_store(tx, name=SAMPLES_STORE, visibility="tenant")
        for external_id, file in kept.items():
            await versions.add_file(tx, store, NewDocument(file.id, external_id, {}))
