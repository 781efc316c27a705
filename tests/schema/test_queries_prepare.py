"""Every statement of every slice is known to the schema: it can be prepared by the role that runs it."""

from importlib.resources import files
from pathlib import Path

import asyncpg
import pytest

import mainstay
from mainstay.platform.postgres import load_queries
from tests.support.database import DatabaseUrls

ROOT = Path(str(files(mainstay)))
PACKAGES = sorted(".".join(("mainstay", *path.parent.relative_to(ROOT).parts)) for path in ROOT.rglob("queries.sql"))
# Only maintenance on the command line runs these, as the owner of the schema.
OWNERS_ALONE = {"find_tenant_id", "insert_tenant", "add_operator"}


def test_there_are_queries() -> None:
    assert len(PACKAGES) >= 6


@pytest.mark.parametrize("package", PACKAGES)
async def test_queries_can_be_prepared(package: str, database_urls: DatabaseUrls) -> None:
    queries = load_queries(package)
    assert queries
    connection = await asyncpg.connect(database_urls.app, server_settings={"search_path": "mainstay, public"})
    owner = await asyncpg.connect(database_urls.owner, server_settings={"search_path": "mainstay, public"})
    try:
        for query in queries.values():
            await (owner if query.name in OWNERS_ALONE else connection).prepare(query.sql)
    finally:
        await connection.close()
        await owner.close()
