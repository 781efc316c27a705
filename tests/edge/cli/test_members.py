"""The command line beside the API: groups, principals and keys of a running system, in processes of their own."""

import asyncio
import json
import os
import sys
from typing import Any

import pytest

from tests.support.system import Member, TestSystem

COMMAND_TIMEOUT_S = 60.0


async def mainstay(system: TestSystem, member: Member, *arguments: str, code: int = 0) -> str:
    """Run a command with the member's key and return what it printed."""
    environment = {**os.environ, "MAINSTAY_URL": system.address, "MAINSTAY_API_KEY": member.key}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "mainstay.edge.cli.app",
        *arguments,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(COMMAND_TIMEOUT_S):
        printed, errors = await process.communicate()
    assert process.returncode == code, errors.decode()
    return (errors if code else printed).decode()


async def as_json(system: TestSystem, member: Member, *arguments: str) -> dict[str, Any]:
    return json.loads(await mainstay(system, member, *arguments, "--json"))


async def test_group_is_made_filled_and_deleted(system: TestSystem) -> None:
    staff = await system.member("owner")
    customer = await system.member("customer", of=staff)
    group = (await as_json(system, staff, "groups", "create", "pilots"))["id"]
    await mainstay(system, staff, "groups", "add", group, customer.principal_id)
    assert "pilots" in await mainstay(system, staff, "groups", "list")
    assert (await as_json(system, staff, "groups", "list"))["data"][0]["member_count"] == 1
    await mainstay(system, staff, "groups", "remove", group, customer.principal_id)
    await mainstay(system, staff, "groups", "delete", group)
    assert (await as_json(system, staff, "groups", "list"))["data"] == []


async def test_key_is_listed_and_revoked(system: TestSystem) -> None:
    staff = await system.member("owner")
    customer = await system.member("customer", of=staff)
    assert customer.principal_id in await mainstay(system, staff, "principals", "list")
    key = (await as_json(system, staff, "keys", "list"))["data"][0]
    assert key["principal_id"] == customer.principal_id
    assert "all of the role" in await mainstay(system, staff, "keys", "list")
    await mainstay(system, staff, "keys", "revoke", key["id"])
    assert (await customer.http.get("/v1/models")).status_code == 401


@pytest.mark.parametrize("arguments", [("keys", "list"), ("groups", "create", "x")])
async def test_who_may_not_gets_one_sentence_and_exit_code_3(system: TestSystem, arguments: tuple[str, ...]) -> None:
    customer = await system.member("customer", of=await system.member("owner"))
    errors = await mainstay(system, customer, *arguments, code=3)
    assert "needs one of: owner, admin" in errors
