"""Write `schema.sql` anew: migrate an empty database and print what stands in it.

Takes MAINSTAY_TEST_DATABASE_URL, a superuser's URL, where it is given, and otherwise starts a PostgreSQL of its own.
"""

import asyncio
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from mainstay.platform.postgres.embedded import EmbeddedCluster
from tests.support.database import scratch_database
from tools.schema_dump import schema_sql

TARGET = Path(__file__).parents[1] / "src" / "mainstay" / "schema" / "schema.sql"


@contextmanager
def _server() -> Generator[str]:
    given = os.environ.get("MAINSTAY_TEST_DATABASE_URL")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="mainstay-schema-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        cluster = EmbeddedCluster(Path(folder) / "postgres", {"fsync": "off"})
        cluster.start(deadline_s=60)
        try:
            yield cluster.superuser_url
        finally:
            cluster.stop(deadline_s=20)


async def _dump(superuser_url: str) -> str:
    async with scratch_database(superuser_url) as urls:
        connection = await asyncpg.connect(urls.owner)
        try:
            return await schema_sql(connection)
        finally:
            await connection.close()


def main() -> None:
    """Write the file and say how long it is."""
    with _server() as url:
        text = asyncio.run(_dump(url))
    TARGET.write_text(text, "utf-8")
    print(f"{TARGET}: {text.count(chr(10))} lines")


if __name__ == "__main__":
    main()
