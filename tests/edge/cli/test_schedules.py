"""`mainstay schedules`, and the operations behind it, on the running system."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mainstay.control.operations.schedule_clock import PUT_EVERY_S
from tests.support.jobs import eventually
from tests.support.system import TestSystem

Command = Callable[..., Awaitable[tuple[int, str]]]
PLANNER = "retrieval.plan_merges"


@pytest.fixture
async def command(system: TestSystem, tmp_path: Path) -> Command:
    async def run(key: str, *words: str) -> tuple[int, str]:
        environment = {**os.environ, "MAINSTAY_HOME": str(tmp_path), "MAINSTAY_URL": system.address}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mainstay.edge.cli.app", "schedules", *words,
            env={**environment, "MAINSTAY_API_KEY": key},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(60):
            printed, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, printed.decode()

    return run


async def test_schedules_are_listed_paused_resumed_and_run(system: TestSystem, command: Command) -> None:
    member = await system.member("engineer")

    async def listed() -> list[dict[str, Any]]:
        return (await member.call("GET", "/v1/schedules"))["data"]

    found = await eventually(listed, deadline_s=PUT_EVERY_S + 40)
    (planner,) = [one for one in found if one["id"] == PLANNER]
    assert (planner["state"], planner["cron"], planner["timezone"]) == ("active", "17 3 * * *", "UTC")
    assert planner["next_due_at"].endswith("T03:17:00Z")

    code, printed = await command(member.key, "list", "--json")
    assert code == 0
    assert json.loads(printed)["data"] == found
    code, printed = await command(member.key, "pause", PLANNER)
    assert (code, printed) == (0, f"{PLANNER} is paused.\n")
    (planner,) = (await member.call("GET", "/v1/schedules"))["data"]
    assert (planner["state"], planner["next_due_at"]) == ("paused", None)
    code, printed = await command(member.key, "resume", PLANNER, "--json")
    assert (code, json.loads(printed)["state"]) == (0, "active")
    code, printed = await command(member.key, "run", PLANNER)
    assert code == 0
    assert printed.startswith(f"{PLANNER} runs as job_")

    auditor = await system.member("admin", of=member)
    audited = (await auditor.call("GET", "/v1/audit?limit=100"))["data"]
    by_member = [
        one["action"]
        for one in audited
        if one["principal_id"] == member.principal_id and one["action"].startswith("schedule.")
    ]
    assert sorted(by_member) == ["schedule.pause", "schedule.resume", "schedule.run"]


async def test_nobody_steers_schedules_without_the_permission(system: TestSystem, command: Command) -> None:
    customer = await system.member("customer")
    for verb in ("pause", "resume", "run"):
        refused = await customer.call("POST", f"/v1/schedules/{PLANNER}/{verb}", status=403)
        assert "schedules.manage" in refused["error"]["message"]
    code, printed = await command(customer.key, "pause", PLANNER)
    assert (code, "schedules.manage" in printed) == (3, True)


async def test_unknown_schedule_is_named(system: TestSystem, command: Command) -> None:
    member = await system.member("admin")
    code, printed = await command(member.key, "run", "no.such")
    assert code == 4
    assert "There is no schedule named 'no.such'" in printed
