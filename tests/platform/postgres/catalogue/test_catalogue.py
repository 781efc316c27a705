"""The check over the catalogue finds every planted fault and nothing in the schema as it is (goals S.T1 and S.T2)."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from mainstay.platform.postgres.catalogue import RULES, Finding, Report, inspect
from mainstay.schema.declared import declared
from tests.platform.postgres.catalogue.faults import FAULTS, SOUND
from tests.support.database import OWNER_LOGIN, RUNTIME_LOGIN, DatabaseUrls

CHECKS_MIN = 20
FAULTS_MIN = 24


@pytest.fixture(scope="module")
async def superuser(database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_urls.superuser)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def sound(superuser: asyncpg.Connection) -> frozenset[Finding]:
    """What the check says of the schema with one sound table more, before anything is planted."""
    report = await inspect_with(superuser, SOUND)
    assert report.classes["mainstay.planted"] == "tenant"
    return frozenset(report.findings)


async def inspect_with(connection: asyncpg.Connection, *statements: str) -> Report:
    """Return the report on the database with `statements` applied, and take them back."""
    change = connection.transaction()
    await change.start()
    try:
        # Other databases of a shared server have owners of their own; here they cannot connect.
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
        await connection.execute(f"GRANT CONNECT ON DATABASE {name} TO {OWNER_LOGIN}, {RUNTIME_LOGIN}")
        for statement in statements:
            await connection.execute(statement.replace("{owner}", OWNER_LOGIN))
        if any("ROLE planted_admin" in statement for statement in statements):
            await connection.execute(f"GRANT CONNECT ON DATABASE {name} TO planted_admin")
        return await inspect(connection, declared())
    finally:
        await change.rollback()


async def test_schema_as_migrated_has_no_finding(superuser: asyncpg.Connection) -> None:
    report = await inspect_with(superuser)
    print(report.summary())
    assert [str(finding) for finding in report.findings] == []
    assert report.classes
    assert set(report.classes.values()) <= {"tenant", "shared", "system"}
    assert len(RULES) >= CHECKS_MIN


async def test_sound_table_adds_no_finding(superuser: asyncpg.Connection, sound: frozenset[Finding]) -> None:
    assert sound == set((await inspect_with(superuser)).findings)


@pytest.mark.parametrize(("rule", "fault"), FAULTS)
async def test_planted_fault_is_found(
    superuser: asyncpg.Connection, sound: frozenset[Finding], rule: str, fault: str
) -> None:
    report = await inspect_with(superuser, SOUND, fault)
    assert rule in {finding.rule for finding in set(report.findings) - sound}


def test_every_rule_has_a_planted_fault() -> None:
    planted = {rule for rule, _ in FAULTS}
    assert planted == {rule.__name__ for rule in RULES}
    assert len(FAULTS) == len(set(FAULTS)) >= FAULTS_MIN


async def test_runtime_role_reads_the_same_report(superuser: asyncpg.Connection, database_urls: DatabaseUrls) -> None:
    ours = await asyncpg.connect(database_urls.app)
    try:
        assert (await inspect(ours, declared())).classes == (await inspect_with(superuser)).classes
    finally:
        await ours.close()


async def test_database_without_the_schema_is_refused(superuser_url: str) -> None:
    connection = await asyncpg.connect(superuser_url)
    try:
        with pytest.raises(AssertionError, match="run the migrations before the check"):
            await inspect(connection, declared())
    finally:
        await connection.close()
