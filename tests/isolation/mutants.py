"""Holes made on purpose, one at a time, and the checks that must see each of them.

A mutant opens, narrows or drops one policy, right, trigger or function of the schema, or takes one filter out of one
query. It is applied in a transaction that is taken back. What kills it is the first check of the suite that notices.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import asyncpg

from mainstay.platform.postgres.catalogue import inspect
from mainstay.platform.postgres.queries import Query
from mainstay.platform.postgres.scope import Scope
from mainstay.schema.declared import declared
from tests.isolation.filters import all_queries, unfiltered, without_each_filter
from tests.isolation.rights import unneeded
from tests.isolation.rows import RUNTIME, planted, reached
from tests.support.database import OWNER_LOGIN, RUNTIME_LOGIN, set_scope
from tests.support.figures import MUTANTS, Figures

CLAIMED = "tenant_id = mainstay.claimed_tenant()"
PROVED = "tenant_id = (SELECT mainstay.current_tenant())"
# As PostgreSQL prints the parts of its conditions.
_PROOF = " AND (tenant_id = ( SELECT mainstay.current_tenant() AS current_tenant))"
_SHARED = "(visibility = 'tenant'::text)"
_OWN = "(owner_id = ( SELECT mainstay.current_principal() AS current_principal))"
_POLICIES = """
SELECT polrelid::regclass::text AS relation, polname::text AS name, polroles = '{0}' AS for_everyone,
       pg_get_expr(polqual, polrelid) AS rule, pg_get_expr(polwithcheck, polrelid) AS check
  FROM pg_policy WHERE polrelid::regclass::text = ANY ($1) AND polname IN ('tenant', 'whole')
 ORDER BY 1, 2
"""
_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
_COLUMNS = """
SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped
"""
_DEFINER = "STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp"


@dataclass(frozen=True)
class Mutant:
    """One hole: statements that make it in the schema, or a query without one of its filters."""

    kind: str
    name: str
    statements: tuple[str, ...] = ()
    table: str = ""
    query: Query | None = None


@dataclass
class Score:
    """Who was killed by what, and who survived."""

    killed: dict[str, str] = field(default_factory=dict)
    survived: list[str] = field(default_factory=list)

    @property
    def tried(self) -> int:
        """Return how many mutants there were."""
        return len(self.killed) + len(self.survived)

    def record(self, of: str, figures: Figures, harmless: Mapping[str, str] | None = None) -> None:
        """Record the score, with the name of each survivor and why it does no harm, where that is known."""
        survivors = [f"{name} ({(harmless or {}).get(name, 'unexplained')})" for name in self.survived]
        told = f"{self}: {', '.join(survivors)}" if survivors else str(self)
        figures.record(f"{MUTANTS} of {of}", len(self.killed), unit=told, tried=self.tried)

    def __str__(self) -> str:
        checks = sorted(set(self.killed.values()))
        counts = ", ".join(f"{list(self.killed.values()).count(check)} by {check}" for check in checks)
        return f"{self.tried} mutants, {len(self.killed)} killed ({counts}), {len(self.survived)} survived"


def filter_mutants() -> list[Mutant]:
    """Return every query without each of its filters."""
    return [
        Mutant("filter", f"{name} without {clause} ({number})", query=mutated)
        for name, query in all_queries().items()
        for number, (clause, mutated) in enumerate(without_each_filter(query), 1)
    ]


async def policy_mutants(connection: asyncpg.Connection, tables: Sequence[str]) -> list[Mutant]:
    """Return the policies opened, narrowed and dropped."""
    mutants: list[Mutant] = []
    for policy in await connection.fetch(_POLICIES, tables):
        table, name, rule, check = (policy[part] for part in ("relation", "name", "rule", "check"))
        rules = {"open": "true", "without the proof of the scope": CLAIMED}
        if name == "whole":
            rules["without asking who sees all"] = f"{CLAIMED} AND {PROVED}"
        elif not policy["for_everyone"]:
            rules["without the proof of the scope"] = rule.replace(_PROOF, "")
            rules["without what hides rows"] = f"{CLAIMED} AND {PROVED}"
        if _SHARED in rule:
            rules["without what is shared"] = rule.replace(_SHARED, "false")
            rules["without what is one's own"] = rule.replace(_OWN, "false")
        on = f"POLICY {name} ON {table}"
        changes = {how: f"ALTER {on} USING ({other}) WITH CHECK ({other})" for how, other in rules.items()}
        changes |= {
            "open to read": f"ALTER {on} USING (true) WITH CHECK ({check})",
            "open to write": f"ALTER {on} USING ({rule}) WITH CHECK (true)",
            "dropped": f"DROP {on}",
        }
        if not policy["for_everyone"]:
            changes["for everyone"] = f"ALTER {on} TO PUBLIC"
        mutants += [Mutant("policy", f"{table}: policy {name} {how}", (sql,), table) for how, sql in changes.items()]
    for table in tables:
        changes = {
            "off": f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
            "not forced": f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
            "with another beside": f"CREATE POLICY more ON {table} FOR SELECT TO {RUNTIME} USING (true)",
        }
        mutants += [Mutant("policy", f"{table}: policies {how}", (sql,), table) for how, sql in changes.items()]
    for table in declared().keyhole_columns:
        for how, sql in {
            "dropped": "DROP POLICY keyhole ON {}",
            "for everyone": "ALTER POLICY keyhole ON {} TO PUBLIC",
        }.items():
            mutants.append(Mutant("policy", f"{table}: policy keyhole {how}", (sql.format(table),)))
    return mutants


async def right_mutants(connection: asyncpg.Connection, tables: Sequence[str]) -> list[Mutant]:
    """Return the rights on tables, columns, functions and schemas: the held ones revoked, the others granted."""
    mutants: list[Mutant] = []
    for table in [*tables, *declared().system]:
        for right in _RIGHTS:
            held = await connection.fetchval(
                "SELECT has_table_privilege($1::text, $2::text, $3::text)", RUNTIME, table, right
            )
            verb, to = ("REVOKE", "FROM") if held else ("GRANT", "TO")
            sql = f"{verb} {right} ON {table} {to} {RUNTIME}"
            mutants.append(Mutant("right", sql, (sql,), table if held else ""))
        sql = f"GRANT SELECT ON {table} TO PUBLIC"
        mutants.append(Mutant("right", sql, (sql,)))
        columns = declared().keyhole_columns.get(table)
        for column in await connection.fetch(_COLUMNS, table):
            if columns is None or column["name"] not in columns.select:
                sql = f"GRANT SELECT ({column['name']}) ON {table} TO {declared().keyhole_role}"
                mutants.append(Mutant("right", sql, (sql,)))
    for function in await connection.fetch(
        "SELECT oid::regprocedure::text AS name FROM pg_proc"
        " WHERE pronamespace IN ('mainstay'::regnamespace, 'keyhole'::regnamespace)"
    ):
        sql = f"GRANT EXECUTE ON ROUTINE {function['name']} TO PUBLIC"
        mutants.append(Mutant("right", sql, (sql,)))
    for schema in declared().schemas:
        sql = f"GRANT CREATE ON SCHEMA {schema} TO {RUNTIME}"
        mutants.append(Mutant("right", sql, (sql,)))
    sql = f"GRANT EXECUTE ON FUNCTION keyhole.find_tenant(text) TO {RUNTIME}"
    return [*mutants, Mutant("right", sql, (sql,))]


def other_mutants() -> list[Mutant]:
    """Return the functions that policies call with the proof taken out, and the guard of the audit taken off."""
    replace, sql = "CREATE OR REPLACE FUNCTION", "LANGUAGE sql STABLE PARALLEL SAFE"
    part = "split_part(current_setting('mainstay.scope'), '.', {})::{}"
    unproved = {"current_tenant": (2, "uuid"), "current_principal": (3, "uuid"), "whole_tenant": (2, "uuid")}
    mutants = [
        Mutant(
            "function",
            f"mainstay.{name}() without the proof",
            (f"{replace} mainstay.{name}() RETURNS {kind} {sql} RETURN {part.format(place, kind)}",),
            "mainstay.files",
        )
        for name, (place, kind) in unproved.items()
    ]
    mutants += [
        Mutant("function", f"{name} {how}", (f"{replace} {name} RETURNS {returns} {body}",), "mainstay.stores")
        for name, how, returns, body in (
            (
                "mainstay.whole_tenant()",
                "is the tenant of any scope",
                "uuid",
                f"{sql} RETURN mainstay.current_tenant()",
            ),
            ("keyhole.seen_stores()", "has every store", "uuid[]", _every("stores")),
            ("keyhole.seen_generations()", "has every generation", "uuid[]", _every("index_generations")),
            ("keyhole.unseen_documents()", "has none", "uuid[]", f"LANGUAGE sql {_DEFINER} RETURN '{{}}'::uuid[]"),
        )
    ]
    signed = f"{replace} keyhole.scope_is_signed() RETURNS boolean LANGUAGE sql PARALLEL SAFE {_DEFINER} RETURN true"
    audit = "mainstay.audit_entries"
    return [
        *mutants,
        Mutant("function", "keyhole.scope_is_signed() is always true", (signed,), "mainstay.files"),
        Mutant(
            "function", "keyhole.find_key runs as its caller", ("ALTER FUNCTION keyhole.find_key SECURITY INVOKER",)
        ),
        Mutant(
            "function",
            "keyhole.find_key belongs to the owner",
            (f"ALTER FUNCTION keyhole.find_key OWNER TO {OWNER_LOGIN}",),
        ),
        Mutant("function", "keyhole.find_key looks anywhere", ("ALTER FUNCTION keyhole.find_key RESET search_path",)),
        Mutant("trigger", "the audit's guard is gone", (f"DROP TRIGGER append_only ON {audit}",)),
        Mutant("trigger", "the audit's guard is off", (f"ALTER TABLE {audit} DISABLE TRIGGER append_only",)),
        Mutant("trigger", "the audit's guard spares replicas", (f"ALTER TABLE {audit} ENABLE TRIGGER append_only",)),
        *role_mutants(),
    ]


def role_mutants() -> list[Mutant]:
    """Return the roles of the server made strong."""
    found: list[Mutant] = []
    for role in (RUNTIME, declared().narrow_role, declared().wide_role):
        found += [
            Mutant("role", f"{role} bypasses row security", (f"ALTER ROLE {role} BYPASSRLS",)),
            Mutant("role", f"{role} is in the keyhole", (f"GRANT {declared().keyhole_role} TO {role}",)),
        ]
    return found


def _every(table: str) -> str:
    return f"LANGUAGE sql {_DEFINER} RETURN ARRAY(SELECT id FROM mainstay.{table})"


class Judge:
    """Tells which check notices a mutant; knows what the checks say before anything is changed."""

    def __init__(self, connection: asyncpg.Connection, tables: Sequence[str]) -> None:
        self._connection = connection
        self._tables = frozenset(tables)
        self._queries: Mapping[str, Query] = all_queries()
        self._known: frozenset[str] = frozenset()

    async def prepare(self) -> None:
        """Note what the catalogue finds in the schema as it is, which is nothing in a database of its own."""
        async with self._applied(()):
            self._known = await self._catalogue()

    async def killer(self, mutant: Mutant) -> str:
        """Return the name of the check that notices a mutant, or nothing where it survives."""
        if mutant.query is not None:
            return "filters" if unfiltered(mutant.query, self._tables) else ""
        if mutant.table and mutant.kind != "right":
            async with planted(self._connection, [mutant.table]) as (cast, (table,)):
                await self._apply(mutant.statements)
                if await reached(self._connection, cast, table):
                    return "rows"
        async with self._applied(mutant.statements):
            if mutant.kind == "right" and await unneeded(self._connection, self._queries):
                return "rights"
            if mutant.kind == "right" and mutant.table and await self._refuses_a_query(mutant.table):
                return "queries"
            return "catalogue" if await self._catalogue() - self._known else ""

    async def _apply(self, statements: Sequence[str]) -> None:
        for statement in statements:
            await self._connection.execute(statement)

    @asynccontextmanager
    async def _applied(self, statements: Sequence[str]) -> AsyncIterator[None]:
        change = self._connection.transaction()
        await change.start()
        try:
            # Other databases of a shared server have owners of their own; here they cannot connect.
            name = await self._connection.fetchval("SELECT current_database()")
            await self._connection.execute(f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
            await self._connection.execute(f"GRANT CONNECT ON DATABASE {name} TO {OWNER_LOGIN}, {RUNTIME_LOGIN}")
            await self._apply(statements)
            yield
        finally:
            await change.rollback()

    async def _catalogue(self) -> frozenset[str]:
        report = await inspect(self._connection, declared())
        return frozenset(str(finding) for finding in report.findings)

    async def _refuses_a_query(self, table: str) -> bool:
        """Return whether the runtime role lacks a right that a query over a table needs."""
        await self._connection.execute(f"SET LOCAL ROLE {RUNTIME}")
        try:
            for query in self._queries.values():
                if f"{table} " in query.sql.replace("\n", " ") + " " and await self._refused(query):
                    return True
            return False
        finally:
            await self._connection.execute("RESET ROLE")

    async def _refused(self, query: Query) -> bool:
        attempt = self._connection.transaction()
        await attempt.start()
        try:
            await set_scope(self._connection, Scope(uuid4(), uuid4(), sees_all=True))
            await self._connection.execute("SET LOCAL search_path = mainstay, public")
            await self._connection.execute(f"PREPARE candidate AS {query.sql}")
            nulls = ", ".join(["NULL"] * len(query.params))
            await self._connection.execute(f"EXPLAIN EXECUTE candidate{f'({nulls})' if nulls else ''}")
        except asyncpg.InsufficientPrivilegeError:
            return True
        except asyncpg.PostgresError:
            # The planner may stop at a value that is null, which it asks before the rights.
            return False
        finally:
            await attempt.rollback()
            # What was prepared stays though the transaction does not.
            if await self._connection.fetchval("SELECT true FROM pg_prepared_statements WHERE name = 'candidate'"):
                await self._connection.execute("DEALLOCATE candidate")
        return False
