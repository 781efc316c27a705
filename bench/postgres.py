"""A PostgreSQL as production has it (fsync and all) in a temporary folder, and databases in it."""

import asyncio
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from mainstay.platform.postgres.embedded import APP_ROLE, EmbeddedCluster
from mainstay.platform.postgres.migrations import migrate, trust_scope_key
from mainstay.schema import migrations
from tests.support.database import SCOPE_KEY

REPOSITORY = Path(__file__).parents[1]
# Built once for all benches and runs.
MODELS = REPOSITORY / "bench" / "results" / "models"


@contextmanager
def temporary_folder() -> Generator[Path]:
    """Make a folder that the account of PostgreSQL can enter, and remove it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="mainstay-bench-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def production_cluster(folder: Path) -> Generator[EmbeddedCluster]:
    """Run PostgreSQL under `folder` with the product's own settings; its database is migrated."""
    cluster = EmbeddedCluster(folder / "postgres")
    cluster.start(deadline_s=60)
    try:
        asyncio.run(migrate(cluster.owner_url, migrations(), runtime_login=APP_ROLE))
        asyncio.run(trust_scope_key(cluster.owner_url, SCOPE_KEY))
        yield cluster
    finally:
        cluster.stop(deadline_s=20)


def postmaster(cluster: EmbeddedCluster) -> int:
    """Return the process whose children are all of PostgreSQL's work."""
    server = cluster.server
    if server is None:
        raise RuntimeError("PostgreSQL ended during the bench: look into its log.")
    return server.pid


def create_database(cluster: EmbeddedCluster, name: str) -> str:
    """Make an empty database for a peer and return its address with the superuser, as peers make extensions."""

    async def create() -> None:
        connection = await asyncpg.connect(cluster.superuser_url)
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()

    asyncio.run(create())
    base, _, _ = cluster.superuser_url.rpartition("/")
    return f"{base}/{name}"
