"""The hot queries reach their rows by index as the runtime role, however many rows others have."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import numpy as np
import pytest

from mainstay.knowledge.retrieval import service
from mainstay.platform.postgres import Database, PoolLimits, Query, ReadTx, Record, Scope, load_queries
from mainstay.platform.postgres.transactions import Connection
from tests.support.database import SCOPE_KEY, DatabaseUrls, scratch_database
from tests.support.retrieval import index_texts, make_chunks, make_store, make_vectors
from tests.support.tenants import TestTenant, make_tenant

# Tables that hold the rows of all tenants by the thousand; the others have a row or ten per store.
CROWDED = {"chunks", "embeddings", "posting_blocks"}
WORDS = [f"{first}{second}" for first in ("tide", "moon", "kelp", "gull") for second in ("a", "o", "u", "x", "z")]


class ExplainingTx(ReadTx):
    """A transaction that runs each query and keeps its plan."""

    plans: list[tuple[str, Any]]

    async def fetch(self, query: Query, **params: object) -> Sequence[Record]:
        await self._explain(query, params)
        return await super().fetch(query, **params)

    async def fetch_one(self, query: Query, **params: object) -> Record | None:
        await self._explain(query, params)
        return await super().fetch_one(query, **params)

    async def _explain(self, query: Query, params: Mapping[str, object]) -> None:
        """Keep the plan for these values, and the one for any."""
        arguments = self._arguments(query, params)
        plan = await self._connection.fetchval(f"EXPLAIN (FORMAT JSON) {query.sql}", *arguments)
        self.plans.append((query.name, json.loads(plan)[0]["Plan"]))
        self.plans.append((query.name, await generic_plan(self._connection, query)))


async def generic_plan(connection: Connection, query: Query) -> Any:
    """Return the plan that PostgreSQL would keep of a query if it made one now, with the settings of now."""
    mode = await connection.fetchval("SHOW plan_cache_mode")
    await connection.execute(f"SET LOCAL plan_cache_mode = force_generic_plan; PREPARE candidate AS {query.sql}")
    nulls = ", ".join(["NULL"] * len(query.params))
    plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE candidate{f'({nulls})' if nulls else ''}")
    await connection.execute(f"DEALLOCATE candidate; SET LOCAL plan_cache_mode = {mode}")
    return json.loads(plan)[0]["Plan"]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


@pytest.fixture
async def crowd(database: Database, database_urls: DatabaseUrls, other_tenant: TestTenant) -> None:
    """Rows of another tenant, and statistics that tell the planner of them."""
    for round_no in range(12):
        async with database.write(other_tenant.admin, unaudited="a test") as tx:
            store_id = await make_store(tx)
            await index_texts(tx, store_id, [f"{' '.join(WORDS)} {round_no} {number}" for number in range(250)])
    superuser = await asyncpg.connect(database_urls.superuser)
    await superuser.execute("ANALYZE")
    await superuser.close()


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize("role", ["admin", "customer"])
async def test_hot_queries_never_scan_the_rows_of_others(database: Database, tenant: TestTenant, role: str) -> None:
    async with database.write(tenant.admin, unaudited="a test") as tx:
        store_id = await make_store(tx)
        versions = [await index_texts(tx, store_id, [f"{word} {WORDS[0]}" for word in WORDS]) for _ in range(3)]
    # One sees all of the tenant, the other what the rules show.
    async with database.read(tenant.admin if role == "admin" else tenant.customer) as tx:
        explaining = ExplainingTx(tx._connection, tx.scope)
        explaining.plans = []
        vector = make_vectors(1)[0]
        found = await service.search(explaining, store_id=store_id, query=" ".join(WORDS[:9]), vector=vector, limit=10)
        hashes = [service.indexed_hash(chunk) for chunk in make_chunks(versions[0].texts)]
        known = await service.known_vectors(explaining, store_id, hashes)
        last = versions[-1]
        await service.prove_retrievable(explaining, store_id, last.version_id, make_chunks(last.texts), last.vectors)
    assert len(found.passages) == 10
    assert len(known) == len(WORDS)
    plans = explaining.plans
    assert {name for name, _ in plans} >= {"search_hybrid", "find_known_embeddings", "probe"}
    reached: set[str] = set()
    rules: list[str] = []
    for name, plan in plans:
        for node in nodes(plan):
            if node.get("Relation Name") in CROWDED:
                assert node["Node Type"] != "Seq Scan", (name, node["Relation Name"])
                reached.add(node["Relation Name"])
            condition = node.get("Index Cond", "")
            if node.get("Relation Name") == "posting_blocks":
                assert "segment_no" in condition, condition
                assert "bucket_no" in condition, condition
            if node.get("Relation Name") == "embeddings":
                # Functions of the rules are called once a statement, for a bound of the index or a hashed set.
                rule = node.get("Filter", "")
                assert not [name for name in ("whole_tenant", "seen_", "setting", "unnest") if name in rule]
                rules.append(rule)
    assert reached == CROWDED
    assert rules
    # Whoever sees all is asked for nothing row by row, the others whether a document is hidden.
    hiding = "(NOT (ANY (document_id = (hashed SubPlan"
    assert {hiding in rule for rule in rules} == {role == "customer"}


SEARCHES = 8
KEPT = """
SELECT custom_plans AS custom, generic_plans AS generic FROM pg_prepared_statements WHERE statement = $1
"""


async def test_plan_of_a_search_is_kept(database_urls: DatabaseUrls, tenant: TestTenant) -> None:
    """The statements of a search are planned a few times in a session and not once a search."""
    database = await Database.connect(database_urls.app, PoolLimits(connections_max=1), scope_key=SCOPE_KEY)
    queries = load_queries("mainstay.knowledge.retrieval")
    async with database.write(tenant.admin, unaudited="a test") as tx:
        store_id = await make_store(tx)
        await index_texts(tx, store_id, WORDS)
    for _ in range(SEARCHES):
        async with database.read(tenant.customer) as tx:
            await service.search(tx, store_id=store_id, query=WORDS[0], vector=make_vectors(1)[0], limit=10)
            (search,) = await tx._connection.fetch(KEPT, queries["search_hybrid"].sql)
            (find,) = await tx._connection.fetch(KEPT, queries["find_live_generation"].sql)
    await database.close()
    assert (search["custom"], search["generic"]) == (0, SEARCHES)
    # PostgreSQL tries five plans for their values before it compares.
    assert find["custom"] == 5
    assert find["generic"] == SEARCHES - 5


async def test_plan_kept_from_an_empty_database_reads_by_index(superuser_url: str) -> None:
    """It must do when others have rows by the thousand."""
    async with scratch_database(superuser_url) as urls:
        database = await Database.connect(urls.app, scope_key=SCOPE_KEY)
        superuser = await asyncpg.connect(urls.superuser)
        await superuser.execute("VACUUM ANALYZE")
        queries = load_queries("mainstay.knowledge.retrieval")
        async with database.read(Scope(uuid4(), uuid4())) as tx:
            await tx.fetch(queries["plan_search_once"])
            plan = await generic_plan(tx._connection, queries["search_hybrid"])
        await superuser.close()
        await database.close()
    assert {node["Relation Name"] for node in nodes(plan) if "Relation Name" in node} >= CROWDED
    assert [node for node in nodes(plan) if node["Node Type"] == "Seq Scan"] == []


async def test_scores_do_not_depend_on_the_plan(superuser_url: str) -> None:
    """A plan follows from statistics of all tenants, and chooses in which order what makes up a score is added."""
    draw = np.random.default_rng(7)
    texts = [" ".join(draw.choice(WORDS, 30)) for _ in range(100)]
    queries = [" ".join(draw.choice(WORDS, 5, replace=False)) for _ in range(20)]
    shown, strategies = [], []
    async with scratch_database(superuser_url) as urls:
        superuser = await asyncpg.connect(urls.superuser)
        owner = await Database.connect(urls.owner, scope_key=SCOPE_KEY, as_owner=True)
        scope = (await make_tenant(owner)).admin
        await owner.close()
        filling = await Database.connect(urls.app, scope_key=SCOPE_KEY)
        async with filling.write(scope, unaudited="a test") as tx:
            store_id = await make_store(tx)
            await index_texts(tx, store_id, texts)
        await filling.close()
        for setting in ("enable_hashagg", "enable_sort"):
            name = urlsplit(urls.app).path.removeprefix("/")
            await superuser.execute(f"ALTER DATABASE {name} RESET ALL")
            await superuser.execute(f"ALTER DATABASE {name} SET {setting} = off")
            database = await Database.connect(urls.app, scope_key=SCOPE_KEY)
            async with database.read(scope) as tx:
                plan = await generic_plan(tx._connection, load_queries("mainstay.knowledge.retrieval")["search_hybrid"])
                lexical = next(node for node in nodes(plan) if node.get("Subplan Name") == "CTE lexical")
                strategies.append({node["Strategy"] for node in nodes(lexical) if node["Node Type"] == "Aggregate"})
                found = [
                    await service.search(tx, store_id=store_id, query=query, vector=make_vectors(1)[0], limit=50)
                    for query in queries
                ]
            shown.append([astuple(passage) for one in found for passage in one.passages])
            await database.close()
        await superuser.close()
    assert strategies == [{"Sorted"}, {"Hashed"}]
    assert len(shown[0]) == 50 * len(queries)
    assert shown[0] == shown[1]
