"""What every test of schedules needs: a database of its own, for a clock ticks for all tenants of one."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from mainstay.platform.postgres import Database
from tests.support.database import SCOPE_KEY, DatabaseUrls, scratch_database
from tests.support.schedules import ScheduleTable


@pytest.fixture(scope="module")
async def database_urls(superuser_url: str) -> AsyncIterator[DatabaseUrls]:
    async with scratch_database(superuser_url) as urls:
        yield urls


@pytest.fixture(scope="module")
async def database(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    opened = await Database.connect(database_urls.app, application="tests-schedules", scope_key=SCOPE_KEY)
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
async def owner_database(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    opened = await Database.connect(
        database_urls.owner, application="tests-schedules-owner", scope_key=SCOPE_KEY, as_owner=True
    )
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
async def table(database_urls: DatabaseUrls) -> AsyncIterator[ScheduleTable]:
    async with asyncpg.create_pool(database_urls.superuser, min_size=1, max_size=2) as pool:
        yield ScheduleTable(pool)
