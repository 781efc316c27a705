"""The ground on which a drill takes place: a queue, a tenant that fills it, a ledger, and a judge."""

from pathlib import Path

import asyncpg
import pytest

from mainstay.platform.postgres import Database
from tests.platform.jobs.drills.ground import Ground
from tests.platform.jobs.drills.ledger import TABLES
from tests.support.database import DatabaseUrls
from tests.support.jobs import EFFECTS_TABLE
from tests.support.tenants import TestTenant


@pytest.fixture(scope="session")
async def ledger_urls(database_urls: DatabaseUrls) -> DatabaseUrls:
    connection = await asyncpg.connect(database_urls.superuser)
    await connection.execute(TABLES)
    # Poison has its burial written there.
    await connection.execute(EFFECTS_TABLE)
    await connection.close()
    return database_urls


@pytest.fixture
async def ground(
    database: Database, ledger_urls: DatabaseUrls, tenant: TestTenant, queue: str, tmp_path: Path
) -> Ground:
    return Ground(database, ledger_urls, tenant, queue, tmp_path)
