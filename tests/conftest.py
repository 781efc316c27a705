"""Fixtures that every test may use: a real PostgreSQL, reached as the unprivileged role, and tenants in it."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from mainstay.platform.postgres import Database
from tests.support.database import DatabaseUrls, scratch_database
from tests.support.tenants import TestTenant, make_tenant

# A superuser's URL of a PostgreSQL 15 or later with pgvector; without it the suite starts one of its own.
GIVEN_URL = "MAINSTAY_TEST_DATABASE_URL"


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


@pytest.fixture(scope="session")
def superuser_url() -> Iterator[str]:
    yield os.environ[GIVEN_URL]


@pytest.fixture(scope="session")
async def database_urls(superuser_url: str) -> AsyncIterator[DatabaseUrls]:
    async with scratch_database(superuser_url) as urls:
        yield urls


@pytest.fixture(scope="session")
async def database(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    opened = await Database.connect(database_urls.app, application="tests")
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
async def owner_database(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    opened = await Database.connect(database_urls.owner, application="tests-owner")
    yield opened
    await opened.close()


@pytest.fixture
async def tenant(owner_database: Database) -> TestTenant:
    return await make_tenant(owner_database)


@pytest.fixture
async def other_tenant(owner_database: Database) -> TestTenant:
    return await make_tenant(owner_database)
