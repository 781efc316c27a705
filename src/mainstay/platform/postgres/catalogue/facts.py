"""What stands in the catalogue of a database, as plain values: read once, so that the rules over it are pure."""

from dataclasses import dataclass
from typing import TypeVar

import asyncpg

from mainstay.platform.postgres.queries import load_queries
from mainstay.schema.declared import Declared

PUBLIC = "PUBLIC"
_QUERIES = load_queries("mainstay.platform.postgres.catalogue")

Fact = TypeVar("Fact")


@dataclass(frozen=True)
class Relation:
    """A table, partitioned table, view, materialised view, foreign table, sequence or composite type.

    `kind` is the letter of `pg_class.relkind`, `persistence` that of `relpersistence`; `parent` is what it is a
    partition or a child of. `tenant_type` is the type of the column tenant_id, as `uuid NOT NULL`, or None.
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
    columns: tuple[str, ...]
    tenant_type: str | None


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
    """One policy; `using_sql` and `check_sql` are None where absent."""

    relation: str
    name: str
    command: str
    permissive: bool
    roles: tuple[str, ...]
    using_sql: str | None
    check_sql: str | None


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
    """A trigger that no constraint made; `events` are INSERT, UPDATE, DELETE, TRUNCATE, `enabled` is `tgenabled`."""

    name: str
    relation: str
    function: str
    enabled: str
    before: bool
    events: tuple[str, ...]
    conditional: bool


@dataclass(frozen=True)
class Role:
    """A role with what it may do, the roles it can become or inherit from, and whether it may enter this database."""

    name: str
    login: bool
    powers: tuple[str, ...]
    memberships: tuple[str, ...]
    connects: bool


@dataclass(frozen=True)
class Owner:
    """Who owns one of our schemas, or the database, whose `schema` reads ''."""

    schema: str
    role: str


@dataclass(frozen=True)
class Named:
    """A type, an extension or a foreign server, of which the name alone matters."""

    kind: str
    name: str


@dataclass(frozen=True)
class Facts:
    """Everything the rules look at; of other schemas, the relations and functions that the runtime role reaches."""

    relations: tuple[Relation, ...]
    keys: tuple[Key, ...]
    foreign_keys: tuple[ForeignKey, ...]
    policies: tuple[Policy, ...]
    grants: tuple[Grant, ...]
    functions: tuple[Function, ...]
    triggers: tuple[Trigger, ...]
    roles: tuple[Role, ...]
    owners: tuple[Owner, ...]
    named: tuple[Named, ...]

    def names_of(self, kind: str) -> list[str]:
        """Return the names of all types, extensions or foreign servers."""
        return [entry.name for entry in self.named if entry.kind == kind]

    def owner_roles(self) -> set[str]:
        """Return the roles that own one of our schemas or the database."""
        return {owner.role for owner in self.owners}


async def read_facts(connection: asyncpg.Connection, declared: Declared) -> Facts:
    """Read the catalogue through `connection`, inside a transaction of the caller; any role may."""
    # Names print qualified, and nothing in the database can shadow what the queries call.
    await connection.execute("SET LOCAL search_path = pg_catalog, pg_temp")

    async def read(query_name: str, fact: type[Fact]) -> tuple[Fact, ...]:
        query = _QUERIES[query_name]
        values = {"schemas": list(declared.schemas), "runtime": declared.runtime_role}
        rows = await connection.fetch(query.sql, *(values[param] for param in query.params))
        return tuple(
            fact(**{name: tuple(value) if isinstance(value, list) else value for name, value in row.items()})
            for row in rows
        )

    return Facts(
        relations=await read("relations", Relation),
        keys=await read("keys", Key),
        foreign_keys=await read("foreign_keys", ForeignKey),
        policies=await read("policies", Policy),
        grants=await read("grants", Grant),
        functions=await read("functions", Function),
        triggers=await read("triggers", Trigger),
        roles=await read("roles", Role),
        owners=await read("owners", Owner),
        named=await read("named", Named),
    )
