"""The worker of the product and its processes for single jobs: they know what it knows, and die with it."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import asyncpg

from mainstay.kernel.ids import new_id
from mainstay.knowledge.retrieval.models import MERGE, MergePayload
from mainstay.platform.jobs import enqueue
from mainstay.platform.postgres import Database
from mainstay.platform.processes.identity import identify
from tests.support.database import SCOPE_KEY, DatabaseUrls
from tests.support.jobs import eventually
from tests.support.tenants import TestTenant

# As if an earlier attempt had taken its worker with it.
_SUSPECT = "UPDATE mainstay.jobs SET run_at = now(), error_code = 'lease_expired', payload = $2 WHERE id = $1"


@asynccontextmanager
async def worker(url: str, home: Path, models: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    (home / "models").symlink_to(models)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MAINSTAY_")},
        "MAINSTAY_APP_DATABASE_URL": url,
        "MAINSTAY_HOME": str(home),
        "MAINSTAY_SCOPE_KEY": SCOPE_KEY.secret.hex(),
    }
    with (home / "worker.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mainstay.edge.worker", env=environment, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def enqueue_suspect(database: Database, tenant: TestTenant, superuser_url: str) -> UUID:
    """Enqueue a merge, and make it a suspect with a payload that no merge can have."""
    async with database.write(tenant.admin) as tx:
        job_id = await enqueue(tx, MERGE, MergePayload(new_id()), request_id="suspect", delay_s=3600)
    connection = await asyncpg.connect(superuser_url)
    try:
        await connection.execute(_SUSPECT, job_id, '{"store_id": "none"}')
    finally:
        await connection.close()
    return job_id


def lines(log: Path, event: str, job_id: UUID) -> Iterator[dict[str, str]]:
    for line in log.read_text().splitlines():
        if line.startswith("{"):
            entry = json.loads(line)
            if entry["event"] == event and entry.get("job_id") == str(job_id):
                yield entry


def command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for each in found for child in each.read_text().split()]


async def test_suspect_runs_in_a_process_with_the_workers_settings_that_dies_with_it(
    database: Database, database_urls: DatabaseUrls, tenant: TestTenant, tmp_path: Path, models_folder: Path
) -> None:
    job_id = await enqueue_suspect(database, tenant, database_urls.superuser)
    log = tmp_path / "worker.log"

    async def has_ended() -> list[dict[str, str]]:
        return list(lines(log, "job.ended", job_id))

    async with worker(database_urls.app, tmp_path, models_folder) as process:
        [ended] = await eventually(has_ended)
        assert (ended["service"], ended["outcome"], ended["error_code"]) == ("worker", "failed", "invalid_payload")
        # It was read in the one process that the worker has started.
        [pid] = children(process.pid)
        assert "mainstay.edge.worker.job_child" in command(pid)
        child = identify(pid)
        assert child is not None
        process.send_signal(signal.SIGKILL)
        await process.wait()

        async def is_gone() -> bool:
            return identify(child.pid) != child

        await eventually(is_gone)
