"""The runtime role has the rights that queries use, and no others."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.isolation.filters import all_queries
from tests.isolation.rights import UNUSED, unneeded, used_by
from tests.isolation.rows import RUNTIME
from tests.support.database import DatabaseUrls


@pytest.fixture
async def superuser(database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_urls.superuser)
    yield connection
    await connection.close()


async def test_every_right_is_used(superuser: asyncpg.Connection) -> None:
    assert await unneeded(superuser, all_queries()) == []


async def test_listed_rights_are_held_and_unused(superuser: asyncpg.Connection) -> None:
    used = {right for query in all_queries().values() for right in used_by(query)}
    assert UNUSED.keys().isdisjoint(used)
    for table, right, column in UNUSED:
        scope = "column" if column else "table"
        places = [f"mainstay.{table}", *([column] if column else []), right]
        holes = ", ".join(f"${number}::text" for number in range(2, len(places) + 2))
        held = f"SELECT has_{scope}_privilege($1::text, {holes})"
        assert await superuser.fetchval(held, RUNTIME, *places), (table, right, column)


@pytest.mark.parametrize(
    "grant", ["DELETE ON mainstay.files", "UPDATE ON mainstay.files", "UPDATE (sha256) ON mainstay.files"]
)
async def test_right_too_many_is_noticed(superuser: asyncpg.Connection, grant: str) -> None:
    change = superuser.transaction()
    await change.start()
    try:
        await superuser.execute(f"GRANT {grant} TO mainstay_runtime")
        assert [right[0] for right in await unneeded(superuser, all_queries())] == ["files"]
    finally:
        await change.rollback()
