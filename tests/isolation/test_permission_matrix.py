"""Every operation, tried by nine principals: each is answered as the rules of who_may.py say (S.P2)."""

from collections import Counter
from dataclasses import replace

import httpx2
import pytest

from mainstay.control.access.operations import DECLARED
from tests.isolation import who_may
from tests.isolation.matrix import UNKNOWN_THINGS, Principal, make_principals, try_operation
from tests.support.figures import Figures
from tests.support.system import Member, TestSystem

PRINCIPALS_MIN = 9
OPERATIONS_MIN = 40


@pytest.fixture
async def principals(system: TestSystem) -> list[Principal]:
    return await make_principals(system)


async def things_of(member: Member) -> dict[str, str]:
    """Return ids of things that are there, for whoever must not reach them."""
    store = await member.make_store()
    file = (await member.call("POST", "/v1/files", files={"file": ("a.txt", b"x")}))["id"]
    group = (await member.call("POST", "/v1/groups", json={"name": "g"}))["id"]
    key = (await member.call("POST", "/v1/keys", json={"name": "k"}))["id"]
    own = {"store_id": store, "file_id": file, "group_id": group, "key_id": key, "principal_id": member.principal_id}
    return {**UNKNOWN_THINGS, **own}


def test_table_and_rules_say_the_same() -> None:
    assert who_may.differences(DECLARED) == []


async def test_each_operation_answers_each_principal_as_the_rules_say(
    system: TestSystem, principals: list[Principal], record_figure: Figures
) -> None:
    real = await things_of(await system.member("owner"))
    cases: Counter[str] = Counter()
    wrong: list[str] = []
    async with httpx2.AsyncClient(base_url=system.address, trust_env=False, timeout=60) as http:
        for name in (*DECLARED.operations, *DECLARED.public):
            for one in principals:
                cases[one.name] += 1
                if sentence := await try_operation(http, name, one, real if one.foreign else UNKNOWN_THINGS):
                    wrong.append(sentence)
    record_figure.record("operations by principals", cases.total() - len(wrong), tried=cases.total())
    assert wrong == []
    assert len(DECLARED.operations) >= OPERATIONS_MIN
    assert len(cases) >= PRINCIPALS_MIN
    assert set(cases.values()) == {len(DECLARED.operations) + len(DECLARED.public)}


def test_rule_that_no_operation_meets_is_none() -> None:
    with pytest.raises(LookupError, match="no rule"):
        who_may.permission_for("GET /v1/exports")


def test_table_that_says_otherwise_is_noticed() -> None:
    operation = DECLARED.operations["GET /v1/audit"]
    looser = replace(DECLARED, operations={**DECLARED.operations, operation.name: replace(operation, permission="ask")})
    assert who_may.differences(looser) == ["'GET /v1/audit' needs ask, not audit.read"]
    blind = replace(DECLARED, sees_all=DECLARED.sees_all | {"customer"})
    assert who_may.differences(blind) == ["'customer' differs in whether it sees all"]
