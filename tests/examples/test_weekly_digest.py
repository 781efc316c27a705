"""The example product, run by a server and a worker in processes of their own, as a user would run it."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from mainstay.config import Settings
from mainstay.platform.postgres import Database
from mainstay.platform.processes.ports import pick_port
from tests.support.database import SCOPE_KEY, scratch_database
from tests.support.jobs import REPOSITORY, eventually
from tests.support.schedules import ScheduleTable
from tests.support.system import TestSystem

EXAMPLE = REPOSITORY / "examples" / "weekly_digest"
SCHEDULE = "digest.weekly"


def start(module: str, environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as written:
        return subprocess.Popen([sys.executable, "-m", module], env=environment, stdout=written, stderr=written)


@pytest.fixture
async def running(
    superuser_url: str, models_folder: Path, tmp_path: Path
) -> AsyncIterator[tuple[TestSystem, ScheduleTable]]:
    """A server and a worker that found the product by MAINSTAY_PRODUCT."""
    (tmp_path / "models").symlink_to(models_folder)
    port = pick_port("127.0.0.1")
    async with scratch_database(superuser_url) as urls, asyncpg.create_pool(urls.superuser, min_size=1) as pool:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MAINSTAY_")},
            "MAINSTAY_HOME": str(tmp_path),
            "MAINSTAY_PORT": str(port),
            "MAINSTAY_APP_DATABASE_URL": urls.app,
            "MAINSTAY_SCOPE_KEY": SCOPE_KEY.secret.hex(),
            "MAINSTAY_PRODUCT": str(EXAMPLE),
        }
        processes = [
            start(f"mainstay.edge.{name}", environment, tmp_path / f"{name}.log") for name in ("server", "worker")
        ]
        owner = await Database.connect(urls.owner, scope_key=SCOPE_KEY, as_owner=True)
        system = TestSystem(f"http://127.0.0.1:{port}", Settings(MAINSTAY_HOME=tmp_path), owner, urls)
        try:
            await eventually(lambda: is_ready(system.address))
            yield system, ScheduleTable(pool)
        finally:
            for process in processes:
                process.terminate()
            ended = [process.wait(30) for process in processes]
            for client in system.clients:
                await client.aclose()  # type: ignore[union-attr]
            await owner.close()
            # The server ends by the signal that asked it to, once it has shut down; the worker has drained.
            assert ended == [-signal.SIGTERM, 0]


async def is_ready(address: str) -> bool:
    async with httpx2.AsyncClient(trust_env=False) as http:
        try:
            return (await http.get(f"{address}/readyz")).status_code == 200
        except httpx2.TransportError:
            return False


async def test_product_runs_its_job_by_the_clock_and_when_asked(running: tuple[TestSystem, ScheduleTable]) -> None:
    system, table = running
    member = await system.member("admin")

    async def schedules() -> dict[str, Any]:
        found = (await member.call("GET", "/v1/schedules"))["data"]
        return {one["id"]: one for one in found} if len(found) == 2 else {}

    digest = (await eventually(schedules))[SCHEDULE]
    assert (digest["state"], digest["job_kind"], digest["catch_up"]) == ("active", "digest.write", "last")
    assert (digest["cron"], digest["timezone"]) == ("0 7 * * 1", "Europe/London")

    async def digests() -> list[dict[str, Any]]:
        audited = (await member.call("GET", "/v1/audit?limit=100"))["data"]
        return [one for one in audited if one["action"] == "digest.write"]

    # A month passes: four Mondays were missed, and one digest brings the tenant up to date.
    await table.set_back(member.tenant_id, timedelta(days=28))
    (by_clock,) = await eventually(digests)
    assert by_clock["principal_id"] == digest["principal_id"]
    assert by_clock["facts"] == {"days": 7, "calls": 0, "tokens": 0, "cost_usd_nanos": 0, "models": 0}
    (made,) = (await member.call("GET", "/v1/jobs?kind=digest.write"))["data"]
    assert (await member.call("GET", f"/v1/jobs/{made['id']}"))["result"] == by_clock["facts"]

    await member.call("POST", "/v1/embeddings", json={"model": "minilm-l6-v2-int8", "input": "how is the week going"})
    asked = await member.call("POST", f"/v1/schedules/{SCHEDULE}/run")
    assert asked["job_id"].startswith("job_")

    async def second() -> dict[str, Any] | None:
        found = [one for one in await digests() if one["principal_id"] == member.principal_id]
        return found[0] if found else None

    by_hand = await eventually(second)
    assert (by_hand["facts"]["calls"], by_hand["facts"]["models"]) == (1, 1)
    assert by_hand["facts"]["tokens"] > 0
    job = await member.call("GET", f"/v1/jobs/{asked['job_id']}")
    assert (job["state"], job["result"]) == ("succeeded", by_hand["facts"])
    assert len(await table.firings(member.tenant_id, SCHEDULE)) == 1
