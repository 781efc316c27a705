"""The product in processes of its own, for all attacks on it."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from mainstay.platform.postgres import Database
from tests.support.database import SCOPE_KEY, at, lift_limits, scratch_database
from tests.support.processes import RunningProcesses, running_processes


@pytest.fixture(scope="package")
async def processes(
    superuser_url: str, models_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningProcesses]:
    async with scratch_database(superuser_url) as urls:
        owner = await Database.connect(urls.owner, application="tests-owner", scope_key=SCOPE_KEY, as_owner=True)
        await lift_limits(urls)
        home = tmp_path_factory.mktemp("attacked")
        async with running_processes(urls, owner, models_folder, home) as running:
            yield running
        await owner.close()


@pytest.fixture(scope="package")
async def superuser(processes: RunningProcesses, superuser_url: str) -> AsyncIterator[asyncpg.Connection]:
    serving_url = processes.system.settings.serving_url or ""
    connection = await asyncpg.connect(at(superuser_url, database=serving_url.rsplit("/", 1)[1]))
    yield connection
    await connection.close()
