"""`mainstay plans`, `limits`, `tenants set-plan` and capped keys, as commands of their own on the running system."""

import asyncio
import json
import os
import secrets
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.support.database import SCOPE_KEY
from tests.support.system import TestSystem

COMMAND_TIMEOUT_S = 60.0
Command = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
async def command(system: TestSystem, tmp_path: Path) -> Command:
    """Run `mainstay` with some words; return its exit code and what it printed."""

    async def run(*words: str, key: str | None = None) -> tuple[int, str]:
        environment = {
            **os.environ,
            "MAINSTAY_SCOPE_KEY": SCOPE_KEY.secret.hex(),
            "MAINSTAY_HOME": str(tmp_path),
            "MAINSTAY_URL": system.address,
            "DATABASE_URL": system.urls.app,
            "MAINSTAY_OWNER_DATABASE_URL": system.urls.owner,
            **({"MAINSTAY_API_KEY": key} if key else {}),
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mainstay.edge.cli.app", *words,
            env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            printed, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, printed.decode()

    return run


async def printed_json(command: Command, *words: str, key: str | None = None) -> dict[str, Any]:
    code, printed = await command(*words, "--json", key=key)
    assert code == 0, printed
    return json.loads(printed)


async def test_plans_are_listed_and_a_tenant_is_put_on_one(command: Command) -> None:
    plans = {plan["name"]: plan for plan in (await printed_json(command, "plans"))["data"]}
    shipped = [name for name in plans if not name.startswith("p-")]
    assert shipped == ["free", "team", "scale", "address", "everyone"]
    assert [name for name, plan in plans.items() if not plan["for_tenants"]] == ["address", "everyone"]
    name = f"t-{secrets.token_hex(6)}"
    key = (await printed_json(command, "tenants", "create", name, "--plan", "team"))["key"]
    assert (await printed_json(command, "limits", key=key))["plan"] == "team"
    code, printed = await command("tenants", "set-plan", name, "free")
    assert (code, printed) == (0, f"Tenant {name} has the plan free.\n")
    assert (await printed_json(command, "limits", key=key))["plan"] == "free"
    code, printed = await command("tenants", "set-plan", name, "address")
    assert code == 4
    assert "There is no plan named 'address' for tenants: choose one of free, team" in printed


async def test_plan_is_changed_and_wrong_limits_are_refused(command: Command, system: TestSystem) -> None:
    plan = f"p-{secrets.token_hex(4)}"
    superuser = await asyncpg.connect(system.urls.superuser)
    await superuser.execute("INSERT INTO mainstay.plans VALUES ($1, true, 5, 20, 2000)", plan)
    await superuser.close()
    code, printed = await command("plans", "set", plan, "--requests-per-hour", "3000")
    assert (code, printed) == (0, f"The plan {plan} allows 5 requests a second, 20 at once and 3000 an hour.\n")
    code, printed = await command("plans", "set", plan, "--requests-per-second", "0")
    assert code == 2
    assert "requests_per_second is 0.001 to" in printed
    code, printed = await command("plans")
    assert code == 0
    assert plan in printed


async def test_key_is_made_with_a_cap_and_capped_anew(command: Command) -> None:
    name = f"t-{secrets.token_hex(6)}"
    owner = (await printed_json(command, "tenants", "create", name))["key"]
    made = await printed_json(command, "keys", "create", "--tenant", name, "--requests-per-hour", "40")
    quotas = (await printed_json(command, "limits", key=made["key"]))["data"]
    assert [(one["subject"], one["limit"]) for one in quotas if one["subject"] == "key"] == [("key", 40)]
    code, printed = await command("limits", "set", made["id"], "--requests-per-second", "2", key=owner)
    assert (code, printed) == (0, f"{made['id']}: 2 requests per second, 2 requests burst\n")
    code, printed = await command("limits", key=made["key"])
    assert code == 0
    assert "key" in printed
    code, printed = await command("limits", "set", made["id"], key=owner)
    assert (code, printed) == (0, f"{made['id']}: no limits of its own\n")
