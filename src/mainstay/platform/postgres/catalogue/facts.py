"""What stands in the catalogue of a database, as plain values: read once, so that the rules over it are pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from mainstay.platform.postgres.queries import load_queries
from mainstay.schema.declared import Declared

PUBLIC = "PUBLIC"
_QUERIES = load_queries(__package__)


@dataclass(frozen=True)
class Column:
    """A column and its type as SQL writes it."""

    name: str
    type: str
    not_null: bool


@dataclass(frozen=True)
class Relation:
    """A table, partitioned table, view, materialised view, foreign table, sequence or composite type.

    `kind` is the letter of `pg_class.relkind`; `parent` is what it is a partition or a child of.
    """

    name: str
    schema: str
    kind: str
    owner: str
    row_security: bool
    forced: bool
    persistence: str
    parent: str | None
    is_partition: bool
    security_invoker: bool
    rewrite_rules: tuple[str, ...]
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Key:
    """A unique index or an exclusion constraint with its columns; an expression among them reads ''."""

    relation: str
    name: str
    columns: tuple[str, ...]
    primary: bool


@dataclass(frozen=True)
class ForeignKey:
    """A reference from `columns` of `relation` to `referenced_columns` of `referenced`."""

    relation: str
    name: str
    columns: tuple[str, ...]
    referenced: str
    referenced_columns: tuple[str, ...]


@dataclass(frozen=True)
class Policy:
    """One policy; `using` and `check` are None where absent."""

    relation: str
    name: str
    command: str
    permissive: bool
    roles: tuple[str, ...]
    using: str | None
    check: str | None


@dataclass(frozen=True)
class Grant:
    """One right of one grantee on a relation, column, function, schema or default; owners' own rights are left out."""

    kind: str
    object: str
    column: str | None
    grantee: str
    privilege: str
    grantable: bool


@dataclass(frozen=True)
class Function:
    """A function or procedure; `body` is set where the body is parsed SQL, `returns` holds `name type` or `type`."""

    name: str
    schema: str
    owner: str
    security_definer: bool
    settings: tuple[str, ...]
    body: str | None
    returns: tuple[str, ...]


@dataclass(frozen=True)
class Trigger:
    """A trigger that is not part of a constraint; `events` are the words INSERT, UPDATE, DELETE, TRUNCATE."""

    name: str
    relation: str
    function: str
    enabled: str
    before: bool
    events: frozenset[str]
    conditional: bool


@dataclass(frozen=True)
class Role:
    """A role with what it may do, the roles it can become or inherit from, and whether it may enter this database."""

    name: str
    login: bool
    powers: tuple[str, ...]
    memberships: frozenset[str]
    connects: bool


@dataclass(frozen=True)
class Facts:
    """Everything the rules look at. Relations of other schemas are here only where the runtime role reaches them.

    `owners` holds each of our schemas with its owner, and the database itself under the name ''.
    """

    relations: tuple[Relation, ...]
    keys: tuple[Key, ...]
    foreign_keys: tuple[ForeignKey, ...]
    policies: tuple[Policy, ...]
    grants: tuple[Grant, ...]
    functions: tuple[Function, ...]
    triggers: tuple[Trigger, ...]
    roles: tuple[Role, ...]
    types: tuple[str, ...]
    owners: tuple[tuple[str, str], ...]
    extensions: tuple[str, ...]
    foreign_servers: tuple[str, ...]


async def read_facts(connection: asyncpg.Connection, declared: Declared) -> Facts:
    """Read the catalogue through `connection`, inside a transaction of the caller; any role may."""
    # Names print qualified, and nothing in the database can shadow what the queries call.
    await connection.execute("SET LOCAL search_path = pg_catalog, pg_temp")

    async def rows(name: str) -> Sequence[asyncpg.Record]:
        query = _QUERIES[name]
        values = {"schemas": list(declared.schemas), "runtime": declared.runtime_role}
        return await connection.fetch(query.sql, *(values[param] for param in query.params))

    return Facts(
        relations=tuple(_relation(row) for row in await rows("relations")),
        keys=tuple(Key(*row) for row in _tupled(await rows("keys"))),
        foreign_keys=tuple(ForeignKey(*row) for row in _tupled(await rows("foreign_keys"))),
        policies=tuple(Policy(*row) for row in _tupled(await rows("policies"))),
        grants=tuple(Grant(*row) for row in await rows("grants")),
        functions=tuple(Function(*row) for row in _tupled(await rows("functions"))),
        triggers=tuple(Trigger(*row[:5], frozenset(row[5]), row[6]) for row in await rows("triggers")),
        roles=tuple(Role(*row[:2], tuple(row[2]), frozenset(row[3]), row[4]) for row in await rows("roles")),
        types=tuple(row[0] for row in await rows("types")),
        owners=tuple((row[0], row[1]) for row in await rows("owners")),
        extensions=tuple(row[0] for row in await rows("extensions")),
        foreign_servers=tuple(row[0] for row in await rows("foreign_servers")),
    )


def _tupled(rows: Sequence[asyncpg.Record]) -> list[tuple[object, ...]]:
    return [tuple(tuple(value) if isinstance(value, list) else value for value in row) for row in rows]


def _relation(row: asyncpg.Record) -> Relation:
    *plain, rules, names, types, not_null = row
    columns = tuple(Column(*column) for column in zip(names, types, not_null, strict=True))
    return Relation(*plain, tuple(rules), columns)
