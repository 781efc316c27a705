"""The third wall: the runtime role may do to a table what some query does, and nothing more."""

import re
from collections.abc import Iterator, Mapping

import asyncpg

from mainstay.platform.postgres.queries import Query
from tests.isolation.rows import RUNTIME

Right = tuple[str, str, str]

# What maintenance runs as the owner of the schema.
OWNER_ONLY = {"control/tenants:insert_tenant"}
# Rights that no query needs, each with the reason why the role has it.
UNUSED: Mapping[Right, str] = {
    ("chunk_counters", "UPDATE", ""): "its only column besides the key is changed",
    ("document_versions", "UPDATE", ""): "nearly all of its columns are changed",
    ("answers", "UPDATE", ""): "nearly all of its columns are changed",
    ("index_generations", "UPDATE", "live"): "a second generation will take over from the first with it",
    ("migrations", "SELECT", ""): "each process waits until its schema is there",
    ("request_caps", "UPDATE", ""): "all of its columns besides the key are changed",
    ("request_counters", "SELECT", ""): "counters are read through the keyhole; each tenant may see its own",
}
_INSERT = re.compile(r"INSERT INTO mainstay\.(\w+)")
_DELETE = re.compile(r"DELETE FROM mainstay\.(\w+)")
_UPDATE = re.compile(r"UPDATE mainstay\.(\w+)(?: \w+)?\s+SET (.*?)(?:\bFROM\b|\bWHERE\b|\bRETURNING\b|$)", re.DOTALL)
_UPSERT = re.compile(r"DO UPDATE SET (.*?)(?:\bWHERE\b|\bRETURNING\b|$)", re.DOTALL)
_NESTED = re.compile(r"\([^()]*\)")
_SET_COLUMN = re.compile(r"(?:^|,)\s*(\w+)\s*=")
_READ = re.compile(r"(?:FROM|JOIN|UPDATE|USING)\s+mainstay\.(\w+)")
_GRANTS = """
SELECT c.relname AS table, a.privilege_type AS privilege, '' AS column
  FROM pg_class c, aclexplode(c.relacl) a
 WHERE c.relnamespace = 'mainstay'::regnamespace AND c.relkind IN ('r', 'p')
   AND a.grantee IN ($1::text::regrole, 0)
 UNION ALL
SELECT c.relname, a.privilege_type, t.attname
  FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid, aclexplode(t.attacl) a
 WHERE c.relnamespace = 'mainstay'::regnamespace AND a.grantee IN ($1::text::regrole, 0)
"""


def used_by(query: Query) -> Iterator[Right]:
    """Yield what a query needs: a table, a right, and for UPDATE a column."""
    yield from ((table, "SELECT", "") for table in _READ.findall(query.sql))
    yield from ((table, "INSERT", "") for table in _INSERT.findall(query.sql))
    yield from ((table, "DELETE", "") for table in _DELETE.findall(query.sql))
    changes = list(_UPDATE.findall(query.sql))
    changes += [(table, text) for table in _INSERT.findall(query.sql) for text in _UPSERT.findall(query.sql)]
    for table, text in changes:
        flat = text
        while _NESTED.search(flat):
            flat = _NESTED.sub("", flat)
        yield from ((table, "UPDATE", column) for column in _SET_COLUMN.findall(flat))


async def unneeded(connection: asyncpg.Connection, queries: Mapping[str, Query]) -> list[Right]:
    """Return the rights of the runtime role, and of everyone, that no query uses."""
    used = {right for name, query in queries.items() if name not in OWNER_ONLY for right in used_by(query)}
    granted = [(row["table"], row["privilege"], row["column"]) for row in await connection.fetch(_GRANTS, RUNTIME)]
    return sorted(set(granted) - used - UNUSED.keys())
