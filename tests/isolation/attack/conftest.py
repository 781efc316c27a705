"""The product in processes of its own, for all attacks on it."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from mainstay.platform.postgres import Database
from tests.support.database import SCOPE_KEY, DatabaseUrls, at, scratch_database
from tests.support.processes import RunningProcesses, running_processes


async def _lift_limits(urls: DatabaseUrls) -> None:
    """Let requests without a key through as fast as they come: a refusal of the limits would hide what they hide."""
    connection = await asyncpg.connect(urls.superuser)
    await connection.execute(
        "UPDATE mainstay.plans SET requests_per_second = 1e6, requests_burst = 1e7, requests_per_hour = 1e9"
    )
    await connection.close()


@pytest.fixture(scope="package")
async def processes(
    superuser_url: str, models_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningProcesses]:
    async with scratch_database(superuser_url) as urls:
        owner = await Database.connect(urls.owner, application="tests-owner", scope_key=SCOPE_KEY, as_owner=True)
        await _lift_limits(urls)
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
