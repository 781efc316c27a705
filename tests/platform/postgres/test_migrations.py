"""The runner applies each migration once, in order, and says in one sentence why it could not."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from hashlib import sha256

import asyncpg
import pytest

from mainstay.platform.postgres.migrations import MigrationFailed, migrate
from mainstay.schema import Migration, migrations
from tests.support.database import OWNER_LOGIN, PASSWORD, RUNTIME_LOGIN, DatabaseUrls, at


@dataclass(frozen=True)
class Bare:
    """A database with nothing in it: its name, and how its owner and a superuser reach it."""

    name: str
    owner: str
    superuser: str


def file(name: str, sql: str) -> Migration:
    return Migration(name, sql, sha256(sql.encode()).digest())


FIRST = file("0001_pre_first", "CREATE TABLE mainstay.first (a int)")
SECOND = file("0002_pre_second", "CREATE TABLE mainstay.second (a int)")
BROKEN = file("0002_pre_broken", "CREATE TABLE mainstay.half (a int); SELECT 1 / 0")


@pytest.fixture
async def bare(superuser_url: str, database_urls: DatabaseUrls) -> AsyncIterator[Bare]:
    """A database with the extension and nothing else; the roles stand since the suite's own was made."""
    name = f"mainstay_test_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(superuser_url)
    await admin.execute(f"CREATE DATABASE {name} OWNER {OWNER_LOGIN}")
    made = Bare(
        name,
        at(superuser_url, user=OWNER_LOGIN, password=PASSWORD, database=name),
        at(superuser_url, database=name),
    )
    await execute(made.superuser, "CREATE EXTENSION vector")
    yield made
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    try:
        found = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'mainstay'")
    finally:
        await connection.close()
    return {row["tablename"] for row in found}


async def sentence_of(url: str, *files: Migration, login: str = RUNTIME_LOGIN) -> str:
    with pytest.raises(MigrationFailed) as failed:
        await migrate(url, files, runtime_login=login)
    assert "\n" not in str(failed.value)
    return str(failed.value)


async def test_second_run_applies_nothing(bare: Bare) -> None:
    first = await migrate(bare.owner, migrations(), runtime_login=RUNTIME_LOGIN)
    assert first.applied == tuple(m.name for m in migrations())
    assert first.present == 0
    second = await migrate(bare.owner, migrations(), runtime_login=RUNTIME_LOGIN)
    assert second.applied == ()
    assert second.present == len(migrations())


async def test_only_what_is_missing_is_applied(bare: Bare) -> None:
    await migrate(bare.owner, [FIRST], runtime_login=RUNTIME_LOGIN)
    assert (await migrate(bare.owner, [FIRST, SECOND], runtime_login=RUNTIME_LOGIN)).applied == (SECOND.name,)
    assert await tables(bare.owner) == {"migrations", "first", "second"}


async def test_two_at_once_apply_each_migration_once(bare: Bare) -> None:
    results = await asyncio.gather(*(migrate(bare.owner, migrations(), runtime_login=RUNTIME_LOGIN) for _ in range(4)))
    assert sorted(name for result in results for name in result.applied) == [m.name for m in migrations()]


async def test_edited_migration_is_refused(bare: Bare) -> None:
    await migrate(bare.owner, [FIRST], runtime_login=RUNTIME_LOGIN)
    edited = replace(FIRST, digest=sha256(b"edited").digest())
    assert "'0001_pre_first' was edited after it was applied" in await sentence_of(bare.owner, edited, SECOND)
    assert await tables(bare.owner) == {"migrations", "first"}


async def test_newer_database_is_refused(bare: Bare) -> None:
    await migrate(bare.owner, [FIRST, SECOND], runtime_login=RUNTIME_LOGIN)
    assert "newer than this program (it has 0002_pre_second)" in await sentence_of(bare.owner, FIRST)


async def test_failing_migration_leaves_nothing_of_itself(bare: Bare) -> None:
    assert "division by zero" in await sentence_of(bare.owner, FIRST, BROKEN)
    assert await tables(bare.owner) == {"migrations", "first"}
    mended = file(BROKEN.name, "CREATE TABLE mainstay.half (a int)")
    assert (await migrate(bare.owner, [FIRST, mended], runtime_login=RUNTIME_LOGIN)).applied == (BROKEN.name,)


async def test_missing_extension_says_who_creates_it(bare: Bare) -> None:
    await execute(bare.superuser, "DROP EXTENSION vector", f"ALTER DATABASE {bare.name} OWNER TO CURRENT_USER")
    said = await sentence_of(bare.owner, FIRST)
    assert "run CREATE EXTENSION vector there as a superuser" in said


async def test_server_without_pgvector_says_what_to_install(bare: Bare) -> None:
    # A server whose list of extensions has no vector in it, as far as this role can see.
    await execute(
        bare.superuser,
        "DROP EXTENSION vector",
        "CREATE SCHEMA bare CREATE VIEW pg_available_extensions AS SELECT 'plpgsql'::name AS name",
        "GRANT USAGE ON SCHEMA bare TO PUBLIC",
        "GRANT SELECT ON bare.pg_available_extensions TO PUBLIC",
        f"ALTER DATABASE {bare.name} SET search_path = bare, pg_catalog",
    )
    assert "has no pgvector: install it there (Debian: the package postgresql-NN-pgvector)" in await sentence_of(
        bare.owner, FIRST
    )


async def test_owner_who_may_not_grant_roles_is_told_what_to_run(bare: Bare) -> None:
    weak = f"mainstay_test_{secrets.token_hex(4)}"
    await execute(
        bare.superuser,
        f"CREATE ROLE {weak} LOGIN PASSWORD '{PASSWORD}'",
        f"GRANT ALL ON DATABASE {bare.name} TO {weak}",
    )
    try:
        said = await sentence_of(at(bare.superuser, user=weak, password=PASSWORD), FIRST, login=weak)
        assert f"The owner role '{weak}' may not create or grant the roles of Mainstay: run as a superuser:" in said
        assert f"GRANT mainstay_keyhole TO {weak};" in said
        assert await tables(bare.owner) == set()
    finally:
        await execute(bare.superuser, f"DROP OWNED BY {weak}", f"DROP ROLE {weak}")


async def test_login_that_does_not_exist_is_named(bare: Bare) -> None:
    assert '"nobody_of_this_name" does not exist' in await sentence_of(bare.owner, FIRST, login="nobody_of_this_name")


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/none", "postgresql://nobody:wrong@127.0.0.1:1/none"])
async def test_address_where_nothing_listens_is_one_sentence(url: str) -> None:
    assert "does not take the owner's connection" in await sentence_of(url, FIRST)
