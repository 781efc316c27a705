"""`mainstay jobs`, as commands of their own on the running system: what they print, and how they exit."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mainstay.edge.cli.output import duration
from tests.support.jobs import eventually
from tests.support.planted_jobs import PLANTED, Planter
from tests.support.system import Member, TestSystem

COMMAND_TIMEOUT_S = 60.0
Command = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
async def member(system: TestSystem) -> Member:
    return await system.member()


@pytest.fixture
def plant(system: TestSystem, member: Member) -> Planter:
    return Planter.of(system.owner, member.tenant_id, member.principal_id)


@pytest.fixture
def command(system: TestSystem, member: Member) -> Command:
    """Run `mainstay jobs` with some words; return its exit code and what it printed on standard output."""

    async def run(*words: str) -> tuple[int, str]:
        environment = {**os.environ, "MAINSTAY_URL": system.address, "MAINSTAY_API_KEY": member.key}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mainstay.edge.cli.app", "jobs", *words,
            env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            printed, told = await process.communicate()
        assert process.returncode is not None
        print(f"$ mainstay jobs {' '.join(words)}  → {process.returncode}\n{printed.decode()}{told.decode()}")
        return process.returncode, printed.decode()

    return run


async def printed_json(command: Command, *words: str) -> Any:
    code, printed = await command(*words, "--json")
    assert code == 0
    return json.loads(printed)


async def test_jobs_are_listed_and_shown(command: Command, plant: Planter) -> None:
    queued, dead = await plant.queued(), await plant.dead()
    assert [one["id"] for one in (await printed_json(command, "list"))["data"]] == [dead, queued]
    assert [one["id"] for one in (await printed_json(command, "list", "--state", "dead"))["data"]] == [dead]
    code, printed = await command("list")
    assert code == 0
    row = next(line for line in printed.splitlines() if line.startswith(dead))
    assert row.split()[1:6] == ["tests.planted", "dead", "1", "of", "5"]
    assert "broken" in row
    code, printed = await command("show", dead)
    assert code == 0
    assert "broken: It is broken." in printed
    assert "attempts that ended badly" in printed
    assert (await printed_json(command, "show", dead))["attempts"][0]["outcome"] == "failed"


async def test_unknown_job_exits_with_4_and_a_wrong_state_with_6(command: Command, plant: Planter) -> None:
    assert (await command("show", f"job_{'0' * 32}"))[0] == 4
    assert (await command("cancel", await plant.succeeded()))[0] == 6
    assert (await command("retry", await plant.dead()))[0] == 6
    assert (await command("redrive"))[0] == 2
    assert (await command("list", "--state", "lost"))[0] == 2


async def test_jobs_are_retried_cancelled_and_redriven(command: Command, plant: Planter, member: Member) -> None:
    queued = await plant.queued()
    assert (await command("retry", queued)) == (0, f"{queued} runs now.\n")
    assert (await command("cancel", queued)) == (0, f"{queued} is cancelled.\n")
    running = await plant.in_state("running")
    assert (await command("cancel", running)) == (0, f"{running} is asked to end.\n")
    dead = [await plant.dead() for _ in range(3)]
    assert (await printed_json(command, "redrive", dead[0]))["ids"] == dead[:1]
    code, printed = await command("redrive", "--queue", PLANTED.queue)
    assert (code, printed) == (0, "Dead letters queued again: 2\n")
    states = {one["id"]: one["state"] for one in (await member.call("GET", "/v1/jobs?state=queued"))["data"]}
    assert sorted(states) == sorted(dead)


async def test_stats_are_printed_for_each_queue(command: Command, plant: Planter) -> None:
    await plant.queued()
    await plant.dead()
    code, printed = await command("stats")
    assert code == 0
    heads, row = (line.split() for line in printed.splitlines())
    assert heads[:4] == ["queue", "queued", "running", "waiting"]
    assert row[:4] == ["planted", "1", "0", "0"]
    assert (await printed_json(command, "stats"))["data"][0]["dead"] == 1


async def test_watch_tells_how_jobs_ended_by_its_exit_code(command: Command, plant: Planter) -> None:
    done, dead = await plant.succeeded(), await plant.dead()
    assert (await command("watch", done))[0] == 0
    code, printed = await command("watch", done, dead, "--json")
    assert code == 1
    assert [one["state"] for one in json.loads(printed)["data"]] == ["succeeded", "dead"]
    assert (await command("watch", await plant.in_state("running", done=1, total=4), "--timeout", "0.1"))[0] == 5
    assert (await command("watch", "--timeout", "0.1"))[0] == 5


async def test_watch_ends_when_the_job_does(command: Command, plant: Planter, member: Member) -> None:
    job_id = await plant.queued()
    watching = asyncio.create_task(command("watch", job_id))
    before = len((await member.call("GET", "/v1/audit?action=job.cancel"))["data"])

    async def is_cancelled() -> bool:
        if watching.done():
            return True
        await member.call("POST", f"/v1/jobs/{job_id}/cancel")
        return len((await member.call("GET", "/v1/audit?action=job.cancel"))["data"]) > before

    await eventually(is_cancelled)
    code, printed = await watching
    assert code == 1
    assert "cancelled" in printed


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, None),
        (0.2, "0 s"),
        (59.7, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations_are_readable(seconds: float | None, words: str | None) -> None:
    assert duration(seconds) == words
