"""`schema.sql` says what the migrations make: all of it, and nothing else."""

import secrets
import subprocess
from collections.abc import AsyncIterator
from importlib.resources import files

import asyncpg
import pytest

from mainstay.platform.postgres.embedded.binaries import find_binaries
from tests.support.database import OWNER_LOGIN, PASSWORD, DatabaseUrls, at
from tools.schema_dump import schema_sql

SCHEMA_SQL = files("mainstay.schema").joinpath("schema.sql").read_text("utf-8")


@pytest.fixture
async def loaded_url(superuser_url: str, database_urls: DatabaseUrls) -> AsyncIterator[str]:
    """The owner's URL of a database that was made from `schema.sql` alone; the roles stand already."""
    name = f"mainstay_test_{secrets.token_hex(6)}"
    url = at(superuser_url, user=OWNER_LOGIN, password=PASSWORD, database=name)
    await execute(superuser_url, f"CREATE DATABASE {name} OWNER {OWNER_LOGIN}")
    try:
        await execute(at(superuser_url, database=name), "CREATE EXTENSION vector")
        await execute(url, SCHEMA_SQL)
        yield url
    finally:
        await execute(superuser_url, f"DROP DATABASE {name} WITH (FORCE)")


async def execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def dumped(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return await schema_sql(connection)
    finally:
        await connection.close()


def pg_dumped(url: str) -> list[str]:
    """Return the lines of PostgreSQL's own dump in alphabetical order, since rights stand in the order of granting.

    Without the line that holds a key, which differs on each run.
    """
    program = find_binaries().program("pg_dump")
    command = [program, "--schema-only", "--schema=mainstay", "--schema=keyhole", url]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return sorted(line for line in done.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))


async def test_schema_sql_is_what_the_migrations_make(database_urls: DatabaseUrls) -> None:
    assert await dumped(database_urls.owner) == SCHEMA_SQL, "run `.venv/bin/python -m tools.dump_schema`"


async def test_schema_sql_makes_the_same_schema(database_urls: DatabaseUrls, loaded_url: str) -> None:
    # PostgreSQL's own dump sees what ours might leave out.
    assert pg_dumped(loaded_url) == pg_dumped(database_urls.owner)
    assert await dumped(loaded_url) == SCHEMA_SQL
