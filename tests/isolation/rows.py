"""The wall around the rows: what a scope reaches of another's rows in each table, whatever the queries ask for.

Each table gets rows of two tenants, made from the types of its columns, in a transaction that is taken back. Every
right is granted and every trigger is off meanwhile, so that nothing but the policies stands between a scope and a row.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import asyncpg

from mainstay.platform.postgres import Scope
from mainstay.platform.postgres.catalogue import tenant_tables
from mainstay.platform.postgres.catalogue.facts import read_facts
from mainstay.platform.postgres.scope import NARROW_ROLE, WIDE_ROLE
from mainstay.schema.declared import declared
from tests.support.database import OWNER_LOGIN, RUNTIME_LOGIN, SCOPE_KEY

RUNTIME = "mainstay_runtime"
# What a transaction becomes, and a login that becomes neither, as code from before there were two roles does.
_ROLES_INSIDE = (NARROW_ROLE, WIDE_ROLE, RUNTIME_LOGIN)
# A role, a signed scope, a statement, and the number that it may give.
Try = tuple[str, str, str, int | None]
# A value for each type of column that may not be empty; where a key needs it, another one in each row.
_VALUES = {
    "uuid": "gen_random_uuid()",
    "text": "md5(random()::text)",
    "bytea": "'\\x01'",
    "boolean": "true",
    "jsonb": "'{}'",
    "timestamp with time zone": "now()",
    "integer": "(random() * 1e9)::int",
    "bigint": "(random() * 1e9)::bigint",
    "double precision": "1",
    "halfvec": "'[1]'",
    "vector": "'[1]'",
}
_COLUMNS = """
SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type
  FROM pg_attribute a
 WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped
   AND (a.attname IN ('owner_id', 'visibility') OR a.attnotnull AND NOT a.atthasdef)
"""
_CHECKS = "SELECT conname FROM pg_constraint WHERE conrelid = $1::text::regclass AND contype = 'c'"


@dataclass(frozen=True)
class Cast:
    """Who has the rows, and who reaches for them."""

    victim: Scope
    neighbour: Scope
    stranger: Scope

    @property
    def forged(self) -> str:
        """The victim's scope with the stranger's signature."""
        return SCOPE_KEY.sign(self.stranger).replace(str(self.stranger.tenant_id), str(self.victim.tenant_id))


@dataclass(frozen=True)
class Table:
    """A tenant table with the values of a row, by column."""

    name: str
    values: Mapping[str, str]

    @property
    def owned(self) -> bool:
        """Return whether its rows have an owner, and are hidden from others in the tenant where they are private."""
        return {"owner_id", "visibility"} <= self.values.keys()

    @property
    def hidden_with_parent(self) -> bool:
        """Return whether those alone who see all of the tenant see a row of it whose parent is not there."""
        return self.name in declared().policies and not self.owned

    def insert(self, scope: Scope, visibility: str) -> str:
        """Return the statement that adds a row of a scope."""
        own = {"tenant_id": f"'{scope.tenant_id}'"}
        if self.owned:
            own |= {"owner_id": f"'{scope.principal_id}'", "visibility": f"'{visibility}'"}
        values = {**self.values, **own}
        return f"INSERT INTO {self.name} ({', '.join(values)}) VALUES ({', '.join(values.values())})"


@asynccontextmanager
async def planted(connection: asyncpg.Connection, tables: Sequence[str]) -> AsyncIterator[tuple[Cast, list[Table]]]:
    """Give every table rows of two tenants and open all rights on it; everything is taken back at the end."""
    tenant_id = uuid4()
    cast = Cast(Scope(tenant_id, uuid4()), Scope(tenant_id, uuid4()), Scope(uuid4(), uuid4(), sees_all=True))
    change = connection.transaction()
    await change.start()
    try:
        await connection.execute("SET LOCAL session_replication_role = replica")
        made = [await _plant(connection, name, cast) for name in tables]
        await connection.execute("SET LOCAL session_replication_role = origin")
        yield cast, made
    finally:
        await change.rollback()


async def _plant(connection: asyncpg.Connection, name: str, cast: Cast) -> Table:
    for check in await connection.fetch(_CHECKS, name):
        await connection.execute(f'ALTER TABLE {name} DROP CONSTRAINT "{check["conname"]}"')
    await connection.execute(f"ALTER TABLE {name} DISABLE TRIGGER ALL")
    await connection.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {RUNTIME}")
    columns = await connection.fetch(_COLUMNS, name)
    table = Table(name, {one["name"]: _value(one["type"]) for one in columns})
    for scope, visibility in ((cast.victim, "private"), (cast.stranger, "private")):
        await connection.execute(table.insert(scope, visibility))
    if table.owned:
        await connection.execute(table.insert(cast.victim, "tenant"))
        await connection.execute(table.insert(cast.neighbour, "private"))
    return table


def _value(kind: str) -> str:
    return "'{}'" if kind.endswith("[]") else _VALUES[kind]


async def reached(connection: asyncpg.Connection, cast: Cast, table: Table) -> list[str]:
    """Return what scopes reach in a table that they should not, and what they should reach and do not."""
    of_victim = f"FROM {table.name} WHERE tenant_id = '{cast.victim.tenant_id}'"
    stranger = SCOPE_KEY.sign(cast.stranger)
    move = f"UPDATE {table.name} SET tenant_id = '{cast.victim.tenant_id}'"
    add = table.insert(cast.victim, "tenant")
    owner = _auditor(cast) if table.hidden_with_parent else cast.victim
    # Who, with which scope, runs what, and how many rows that may give; None stands for an error.
    tries: list[Try] = [
        (WIDE_ROLE, stranger, f"SELECT count(*) FROM {table.name}", 1),
        (WIDE_ROLE, stranger, f"WITH moved AS ({move} RETURNING 1) SELECT count(*) FROM moved", None),
        (owner.role, SCOPE_KEY.sign(owner), f"SELECT count(*) {of_victim}", 2 if table.owned else 1),
    ]
    for role in (NARROW_ROLE, WIDE_ROLE):
        tries += [
            (role, stranger, f"SELECT count(*) {of_victim}", 0),
            (role, stranger, f"WITH gone AS (DELETE {of_victim} RETURNING 1) SELECT count(*) FROM gone", 0),
            (role, stranger, f"WITH added AS ({add} RETURNING 1) SELECT count(*) FROM added", None),
            (role, stranger, _change(table, cast), 0),
            (role, cast.forged, f"SELECT count(*) FROM {table.name}", None),
        ]
    if table.name not in declared().keyhole_columns:
        # The owner of the schema is in the keyhole's role, whose policies show it the rows of those tables.
        tries.append((OWNER_LOGIN, stranger, f"SELECT count(*) {of_victim}", 0))
    tries += _tries_inside(cast, table)
    return [
        f"{table.name}: {role} as {scope[17:53]}: {statement} gives {found}, not {expected}"
        for role, scope, statement, expected in tries
        if (found := await _outcome(connection, role, scope, statement)) != expected
    ]


def _tries_inside(cast: Cast, table: Table) -> list[Try]:
    """Return what those reach for who are in the tenant and must not see all of it."""
    of_victim = f"FROM {table.name} WHERE tenant_id = '{cast.victim.tenant_id}'"
    neighbour = SCOPE_KEY.sign(cast.neighbour)
    auditor = SCOPE_KEY.sign(_auditor(cast))
    if table.hidden_with_parent:
        return [(role, neighbour, f"SELECT count(*) {of_victim}", 0) for role in _ROLES_INSIDE]
    if not table.owned:
        return []
    hidden = f"{of_victim} AND owner_id = '{cast.victim.principal_id}' AND visibility = 'private'"
    tries: list[Try] = [
        (NARROW_ROLE, neighbour, f"SELECT count(*) {of_victim}", 2),
        # The role of those who see all, taken by somebody who does not, wins nothing.
        (WIDE_ROLE, neighbour, f"SELECT count(*) {of_victim}", 0),
        (WIDE_ROLE, auditor, f"SELECT count(*) {of_victim}", 3),
        (RUNTIME_LOGIN, auditor, f"SELECT count(*) {of_victim}", 3),
        (RUNTIME_LOGIN, neighbour, f"SELECT count(*) {of_victim}", 2),
    ]
    for role in _ROLES_INSIDE:
        tries += [
            (role, neighbour, f"SELECT count(*) {hidden}", 0),
            (role, neighbour, f"WITH gone AS (DELETE {hidden} RETURNING 1) SELECT count(*) FROM gone", 0),
            (role, neighbour, table.insert(cast.victim, "private"), None),
        ]
    return tries


def _auditor(cast: Cast) -> Scope:
    return Scope(cast.victim.tenant_id, uuid4(), sees_all=True)


def _change(table: Table, cast: Cast) -> str:
    return (
        f"WITH changed AS (UPDATE {table.name} SET tenant_id = '{cast.stranger.tenant_id}'"
        f" WHERE tenant_id = '{cast.victim.tenant_id}' RETURNING 1) SELECT count(*) FROM changed"
    )


async def _outcome(connection: asyncpg.Connection, role: str, scope: str, statement: str) -> int | None:
    """Return the number that a statement gives to a role with a scope, or None where it is an error; take it back."""
    attempt = connection.transaction()
    await attempt.start()
    try:
        await connection.execute(f"SET LOCAL ROLE {role}")
        await connection.fetchval("SELECT set_config('mainstay.scope', $1, true)", scope)
        return await connection.fetchval(statement)
    except asyncpg.PostgresError:
        return None
    finally:
        await attempt.rollback()


async def tenant_table_names(url: str) -> list[str]:
    """Return the tenant tables of a database, as its catalogue classifies them."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            facts = await read_facts(connection, declared())
    finally:
        await connection.close()
    return [table.name for table in tenant_tables(facts, declared())]
