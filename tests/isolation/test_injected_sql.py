"""SQL that someone smuggled into a tenant's transaction cannot make it another tenant's (goal S.T8).

The attacker may run any statements one by one as the runtime role inside a transaction of its own tenant, and knows
everything but the key: the other tenant's id, how a scope is written, its own signed scope.
"""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import pytest

from mainstay.knowledge.documents import service as documents
from mainstay.knowledge.documents.models import Visibility
from mainstay.platform.postgres import Database, Scope, ScopeKey
from mainstay.platform.postgres.queries import parse_queries
from mainstay.platform.postgres.scope import WIDE_ROLE
from tests.support.database import OWNER_LOGIN, SCOPE_KEY, DatabaseUrls, set_scope
from tests.support.tenants import TestTenant

READ = "SELECT string_agg(name, ',') FROM mainstay.stores"
FORGER = ScopeKey(b"a key that the attacker made up.")
INNER, OUTER = (f"'\\x{block.hex()}'::bytea" for block in FORGER.blocks())


@dataclass(frozen=True)
class Known:
    """What the attacker knows."""

    own: Scope
    victim: Scope

    @property
    def swapped(self) -> str:
        """The attacker's own scope, with the victim's tenant put into it."""
        return SCOPE_KEY.sign(self.own).replace(str(self.own.tenant_id), str(self.victim.tenant_id))

    def forged(self, key_id: str) -> str:
        """The victim's scope signed with the attacker's key, which is called `key_id`."""
        return f"{key_id}.{FORGER.sign(self.victim).split('.', 1)[1]}"


def set_to(value: str) -> str:
    return f"SELECT set_config('mainstay.scope', '{value}', true)"


def become(role: str) -> str:
    return f"SELECT set_config('role', '{role}', true)"


# The statements of each attack; after each of them the attacker reads.
ATTACKS: dict[str, Callable[[Known], Sequence[str]]] = {
    "the plain id": lambda k: [set_to(str(k.victim.tenant_id))],
    "the settings of old": lambda k: [f"SELECT set_config('mainstay.tenant_id', '{k.victim.tenant_id}', true)"],
    "own signature, other tenant": lambda k: [set_to(k.swapped)],
    "no signature": lambda k: [set_to(k.swapped.rsplit(".", 1)[0])],
    "an empty signature": lambda k: [set_to(k.swapped.rsplit(".", 1)[0] + ".")],
    "half a signature": lambda k: [set_to(k.swapped[:-32])],
    "another key, called by the name of ours": lambda k: [set_to(k.forged(SCOPE_KEY.id))],
    "another key": lambda k: [set_to(k.forged(FORGER.id))],
    "another key, added": lambda k: [
        f"INSERT INTO mainstay.scope_keys VALUES ('{FORGER.id}', {INNER}, {OUTER})",
        set_to(k.forged(FORGER.id)),
    ],
    "another key, in a table of the same name": lambda k: [
        f"CREATE TEMPORARY TABLE scope_keys AS SELECT '{FORGER.id}' id, {INNER} inner_block, {OUTER} outer_block",
        set_to(k.forged(FORGER.id)),
    ],
    "a second scope behind the first": lambda k: [set_to(f"{SCOPE_KEY.sign(k.own)}.{k.victim.tenant_id}")],
    "a second scope before the first": lambda k: [set_to(f"{k.victim.tenant_id}.{SCOPE_KEY.sign(k.own)}")],
    "the keys, read": lambda k: ["SELECT encode(inner_block, 'hex') FROM mainstay.scope_keys"],
    "the keys, read as the keyhole": lambda k: [
        "SELECT set_config('role', 'mainstay_keyhole', true)",
        "SELECT encode(inner_block, 'hex') FROM mainstay.scope_keys",
    ],
    "the keys, read from the disk": lambda k: [
        "SELECT pg_read_binary_file(pg_relation_filepath('mainstay.scope_keys'))"
    ],
    "the keys, in the statistics": lambda k: [
        "SELECT most_common_vals::text FROM pg_stats WHERE tablename = 'scope_keys'"
    ],
    "row security off": lambda k: ["SELECT set_config('row_security', 'off', true)"],
    "the owner's role": lambda k: [f"SELECT set_config('role', '{OWNER_LOGIN}', true)"],
    "the role of those who see all": lambda k: [become(WIDE_ROLE), set_to(k.swapped)],
    "a function of the same name": lambda k: [
        f"CREATE FUNCTION pg_temp.current_tenant() RETURNS uuid LANGUAGE sql RETURN '{k.victim.tenant_id}'::uuid",
        "SELECT set_config('search_path', 'pg_temp, mainstay', true)",
    ],
    "the proof, replaced": lambda k: [
        "CREATE OR REPLACE FUNCTION keyhole.scope_is_signed() RETURNS boolean LANGUAGE sql RETURN true",
        set_to(k.swapped),
    ],
    "a statement inside a statement": lambda k: [
        f"SELECT query_to_xml($x${set_to(k.swapped)}$x$, true, true, ''), query_to_xml($x${READ}$x$, true, true, '')"
    ],
    "the plan of a statement": lambda k: [
        f"EXPLAIN ANALYZE SELECT * FROM mainstay.stores WHERE tenant_id = '{k.victim.tenant_id}'"
    ],
}


@dataclass(frozen=True)
class Stage:
    """An attacker and a victim, whose store is called by a canary."""

    known: Known
    canary: str
    own_canary: str


async def make_store(database: Database, tenant: TestTenant, visibility: Visibility = "tenant") -> str:
    canary = f"canary{secrets.token_hex(8)}"
    async with database.write(tenant.admin) as tx:
        await documents.create_store(tx, name=canary, metadata={}, visibility=visibility)
    return canary


@pytest.fixture
async def stage(database: Database, tenant: TestTenant, other_tenant: TestTenant) -> Stage:
    own_canary, canary = await make_store(database, tenant), await make_store(database, other_tenant)
    return Stage(Known(tenant.admin, other_tenant.admin), canary, own_canary)


@pytest.fixture
async def attacker(database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_urls.app)
    yield connection
    await connection.close()


@asynccontextmanager
async def transaction_of(connection: asyncpg.Connection, scope: Scope) -> AsyncIterator[None]:
    """A transaction of `scope` as the application begins it, which is taken back."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await set_scope(connection, scope)
        await connection.fetchval(become(scope.role))
        yield
    finally:
        await transaction.rollback()


async def told(connection: asyncpg.Connection, statement: str) -> str:
    """Return all that a statement tells, also by its error."""
    attempt = connection.transaction()
    await attempt.start()
    try:
        answer = " ".join(str(value) for row in await connection.fetch(statement) for value in row.values())
    except asyncpg.PostgresError as error:
        await attempt.rollback()
        return f"{error} {error.as_dict()}"
    await attempt.commit()
    return answer


async def test_signed_scope_reads_its_own_tenant(attacker: asyncpg.Connection, stage: Stage) -> None:
    for scope, canary in ((stage.known.own, stage.own_canary), (stage.known.victim, stage.canary)):
        async with transaction_of(attacker, scope):
            assert canary in await told(attacker, READ)


@pytest.mark.parametrize("name", ATTACKS)
async def test_injected_sql_cannot_change_the_tenant(attacker: asyncpg.Connection, stage: Stage, name: str) -> None:
    statements = ATTACKS[name](stage.known)
    secret_parts = [part.hex() for part in (SCOPE_KEY.secret, *SCOPE_KEY.blocks())]
    async with transaction_of(attacker, stage.known.own):
        assert stage.own_canary in await told(attacker, READ)
        for statement in statements:
            for heard in (await told(attacker, statement), await told(attacker, READ)):
                assert stage.canary not in heard
                assert not any(part in heard for part in secret_parts)


async def test_scope_of_another_session_is_not_to_be_seen(
    attacker: asyncpg.Connection, database: Database, stage: Stage
) -> None:
    seen = "SELECT string_agg(coalesce(query, ''), ' | ') FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    async with database.read(stage.known.victim), transaction_of(attacker, stage.known.own):
        unseen = await told(attacker, seen)
        # The login that all sessions share sees their texts; what a transaction becomes does not.
        await attacker.execute("RESET ROLE")
        heard = await told(attacker, seen)
    assert "mainstay.scope" not in unseen
    # That texts of other sessions are seen at all is what makes the rest mean something.
    assert "set_config('mainstay.scope', $1, true)" in heard
    assert str(stage.known.victim.tenant_id) not in heard
    assert SCOPE_KEY.id not in heard


async def test_scope_set_for_the_session_is_never_another_tenants(attacker: asyncpg.Connection, stage: Stage) -> None:
    token = SCOPE_KEY.sign(stage.known.own)
    await told(attacker, f"SELECT set_config('mainstay.scope', '{token}', false)")
    async with transaction_of(attacker, stage.known.victim):
        heard = await told(attacker, READ)
    assert stage.canary in heard
    assert stage.own_canary not in heard


@pytest.mark.parametrize("forged", ["tenant_id", "principal_id", "sees_all"])
async def test_no_part_of_a_scope_can_be_exchanged(attacker: asyncpg.Connection, stage: Stage, forged: str) -> None:
    parts = SCOPE_KEY.sign(stage.known.own).split(".")
    position = {"tenant_id": 1, "principal_id": 2, "sees_all": 3}[forged]
    parts[position] = "f" if forged == "sees_all" else str(stage.known.victim.tenant_id)
    async with transaction_of(attacker, stage.known.own):
        await attacker.fetchval("SELECT set_config('mainstay.scope', $1, true)", ".".join(parts))
        assert "no signed scope" in await told(attacker, READ)


# What a customer may try to see what the staff of its tenant keeps private; its scope says that it does not see all.
CLIMBS: dict[str, Callable[[Scope], Sequence[str]]] = {
    "the role of those who see all": lambda own: [become(WIDE_ROLE)],
    "the role of those who see all, and a scope that says so": lambda own: [
        become(WIDE_ROLE),
        set_to(SCOPE_KEY.sign(own).replace(".f.", ".t.")),
    ],
    "the role of those who see all, and the scope of a session": lambda own: [
        become(WIDE_ROLE),
        f"SELECT set_config('mainstay.scope', '{SCOPE_KEY.sign(own)}', false)",
    ],
    "the server's role": lambda own: [become("mainstay_runtime")],
    "no role": lambda own: ["RESET ROLE"],
    "another session's role": lambda own: [f"SET LOCAL SESSION AUTHORIZATION {OWNER_LOGIN}"],
    "row security off, as those who see all": lambda own: [
        become(WIDE_ROLE),
        "SELECT set_config('row_security', 'off', true)",
    ],
    "both roles in one statement": lambda own: [
        f"SELECT query_to_xml($x${become(WIDE_ROLE)}$x$, true, true, ''), query_to_xml($x${READ}$x$, true, true, '')"
    ],
    "the sets of the narrow, asked as those who see all": lambda own: [
        become(WIDE_ROLE),
        "SELECT string_agg(s.name, ',') FROM mainstay.stores s WHERE s.id = ANY (keyhole.seen_stores())",
    ],
}


@pytest.mark.parametrize("name", CLIMBS)
async def test_injected_sql_cannot_see_all_of_its_tenant(
    attacker: asyncpg.Connection, database: Database, tenant: TestTenant, name: str
) -> None:
    open_to_all = await make_store(database, tenant)
    private = await make_store(database, tenant, "private")
    async with transaction_of(attacker, tenant.customer):
        assert open_to_all in await told(attacker, READ)
        for statement in CLIMBS[name](tenant.customer):
            for heard in (await told(attacker, statement), await told(attacker, READ)):
                assert private not in heard
    # That the staff sees it is what makes the rest mean something.
    async with transaction_of(attacker, tenant.admin):
        assert private in await told(attacker, READ)


async def test_role_ends_with_its_transaction(database: Database, tenant: TestTenant) -> None:
    who = parse_queries("-- name: who\n-- The role of now.\nSELECT current_user", origin="tests")["who"]
    login = await database.current_role()
    for scope in (tenant.admin, tenant.customer):
        async with database.read(scope) as tx:
            assert await tx.fetch_value(who) == scope.role
        assert await database.current_role() == login
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with database.read(tenant.admin) as tx:
            await tx._connection.fetchval("SELECT 1/0")
    assert await database.current_role() == login
