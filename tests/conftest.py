"""Fixtures that every test may use: a real PostgreSQL, reached as the unprivileged role, and tenants in it."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from mainstay.platform.postgres import Database
from mainstay.platform.postgres.embedded import EmbeddedCluster
from tests.support.database import SCOPE_KEY, DatabaseUrls, scratch_database
from tests.support.system import TestSystem, running_system
from tests.support.tenants import TestTenant, make_tenant

pytest_plugins = ["tests.support.figures"]

# A superuser's URL of a PostgreSQL 15 or later with pgvector; without it the suite starts one of its own.
GIVEN_URL = "MAINSTAY_TEST_DATABASE_URL"
# How long an example takes tells how busy the machine is.
hypothesis_settings.register_profile("mainstay", deadline=None)
hypothesis_settings.load_profile("mainstay")


def data_folder() -> Path | None:
    """Return the folder of shared test data, or None where it is absent."""
    folder = Path(os.environ.get("MAINSTAY_DATA", Path(__file__).parents[2] / "shared" / "data"))
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    folder = data_folder()
    if folder is None:
        pytest.skip("the shared data folder is absent: set MAINSTAY_DATA to it")
    return folder


def pytest_configure(config: pytest.Config) -> None:
    """Start one PostgreSQL for the whole run, in the process that starts the others, unless one is given."""
    if hasattr(config, "workerinput") or os.environ.get(GIVEN_URL) or config.option.collectonly:
        return
    folder = Path(tempfile.mkdtemp(prefix="mainstay-tests-", dir="/tmp"))
    folder.chmod(0o711)
    # What a test loses in a crash of the machine nobody misses.
    settings = {"fsync": "off", "synchronous_commit": "off", "max_connections": "100"}
    cluster = EmbeddedCluster(folder / "postgres", settings)
    cluster.start(deadline_s=60)
    os.environ[GIVEN_URL] = cluster.superuser_url
    config.add_cleanup(lambda: _end(cluster, folder))


def _end(cluster: EmbeddedCluster, folder: Path) -> None:
    cluster.stop(deadline_s=20)
    del os.environ[GIVEN_URL]
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def superuser_url() -> str:
    return os.environ[GIVEN_URL]


@pytest.fixture(scope="session")
async def database_urls(superuser_url: str) -> AsyncIterator[DatabaseUrls]:
    async with scratch_database(superuser_url) as urls:
        yield urls


@pytest.fixture(scope="session")
async def database(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    opened = await Database.connect(database_urls.app, application="tests", scope_key=SCOPE_KEY)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
async def owner_database(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    opened = await Database.connect(database_urls.owner, application="tests-owner", scope_key=SCOPE_KEY, as_owner=True)
    yield opened
    await opened.close()


@pytest.fixture
async def tenant(owner_database: Database) -> TestTenant:
    return await make_tenant(owner_database)


@pytest.fixture
async def other_tenant(owner_database: Database) -> TestTenant:
    return await make_tenant(owner_database)


@pytest.fixture(scope="session")
def models_folder() -> Path:
    """Where the embedding model is built once for all test processes and runs."""
    folder = Path(tempfile.gettempdir()) / "mainstay-test-models"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
async def system(
    superuser_url: str, models_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[TestSystem]:
    """The server over a real socket and a worker beside it, on a database whose jobs no other test waits for."""
    home = tmp_path_factory.mktemp("home")
    async with scratch_database(superuser_url) as urls:
        owner = await Database.connect(urls.owner, application="tests-owner", scope_key=SCOPE_KEY, as_owner=True)
        async with running_system(urls, owner, models_folder, home) as running:
            yield running
        await owner.close()
