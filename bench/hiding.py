"""`python -m bench.hiding`: what it costs a search that rows are hidden inside a tenant (docs/decisions).

One store in one PostgreSQL; rounds of the same statements take turns under two sets of rules: those of today, and those
of the tenant and the owner alone, under which a statement that forgets to ask for the store would see everything. CPU
is that of the session's process, so that what else the machine does counts little.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

import asyncpg
import numpy as np

from bench.chunk_texts import chunk_texts
from bench.figures import Figure, machine, print_figures
from bench.postgres import production_cluster, temporary_folder
from bench.process_cpu import thread_cpu_s
from mainstay.knowledge.documents.parsed import Chunk
from mainstay.knowledge.retrieval import service
from mainstay.knowledge.retrieval.store import Vector
from mainstay.platform.postgres import Database, PoolLimits, Scope
from mainstay.platform.postgres.queries import parse_queries
from tests.support.database import SCOPE_KEY
from tests.support.retrieval import add_document_version, make_store
from tests.support.tenants import TestTenant, make_tenant

CHUNKS = 20_000
CHUNKS_PER_DOCUMENT = 50
QUESTIONS = 40
ROUNDS = 6
DIMENSIONS = 384
_BACKEND = parse_queries("-- name: backend\n-- This session's process.\nSELECT pg_backend_pid()", origin="bench")[
    "backend"
]
_RULES = """
SELECT p.polname || ' ON ' || p.polrelid::regclass AS policy, pg_get_expr(p.polqual, p.polrelid) AS rule,
       p.polname = 'tenant' AND p.polroles <> '{0}'
       AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = p.polrelid AND a.attname = 'visibility') AS of_owner
  FROM pg_policy p WHERE p.polname IN ('tenant', 'whole')
"""
_TENANT = "tenant_id = mainstay.claimed_tenant() AND tenant_id = (SELECT mainstay.current_tenant())"
_OWNER = "(visibility = 'tenant' OR owner_id = mainstay.current_principal())"


@dataclass
class Spent:
    """CPU milliseconds of PostgreSQL for one search, by round, and milliseconds on the clock of each search."""

    cpu_ms: list[float] = field(default_factory=list)
    clock_ms: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class FilledStore:
    """A store, the documents in it, and questions in the words of its passages with their vectors."""

    id: UUID
    document_ids: Sequence[UUID]
    questions: Sequence[tuple[str, Vector]]


async def fill(database: Database, scope: Scope, count: int) -> FilledStore:
    """Index passages with random vectors and merge their segments."""
    texts = chunk_texts(count)
    vectors = np.random.default_rng(11).normal(size=(count, DIMENSIONS)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    document_ids: list[UUID] = []
    async with database.write(scope, unaudited="a bench") as tx:
        store_id = await make_store(tx)
    for start in range(0, count, CHUNKS_PER_DOCUMENT):
        rows = slice(start, start + CHUNKS_PER_DOCUMENT)
        chunks = [
            Chunk(no, text, 0, len(text), None, None, (), sha256(text.encode()).hexdigest())
            for no, text in enumerate(texts[rows])
        ]
        async with database.write(scope, unaudited="a bench") as tx:
            document_id, version_id = await add_document_version(tx, store_id)
            await service.index_version(
                tx, store_id, document_id, version_id, chunks, vectors[rows], embedding_model="m"
            )
        document_ids.append(document_id)
    merging = True
    while merging:
        async with database.write(scope, unaudited="a bench") as tx:
            merging = await service.merge_segments(tx, store_id)
    step = max(1, count // QUESTIONS)
    questions = [(" ".join(texts[n].split()[:8]), vectors[n]) for n in range(0, count, step)][:QUESTIONS]
    return FilledStore(store_id, document_ids, questions)


async def set_rules(superuser: asyncpg.Connection, rules: Mapping[str, str]) -> None:
    """Put every policy to its rule."""
    for policy, rule in rules.items():
        await superuser.execute(f"ALTER POLICY {policy} USING ({rule}) WITH CHECK ({rule})")


async def search_all(database: Database, store: FilledStore, scope: Scope, spent: Spent) -> None:
    """Search for each question once in the one session of `database`."""
    async with database.keyhole() as tx:
        backend = await tx.fetch_value(_BACKEND)
    before = thread_cpu_s(backend)
    for question, vector in store.questions:
        started = time.perf_counter()
        async with database.read(scope) as tx:
            found = await service.search(tx, store_id=store.id, query=question, vector=vector, limit=10)
        assert len(found.passages) == 10, f"{len(found.passages)} passages were found for '{question}'"
        spent.clock_ms.append((time.perf_counter() - started) * 1000)
    spent.cpu_ms.append((thread_cpu_s(backend) - before) * 1000 / len(store.questions))


async def measure(owner_url: str, app_url: str, superuser_url: str, chunks: int, rounds: int) -> dict[str, Spent]:
    """Return what searches took, by rules and caller; the first round warms up."""
    owner = await Database.connect(owner_url, PoolLimits(connections_max=1), scope_key=SCOPE_KEY, as_owner=True)
    database = await Database.connect(
        app_url, PoolLimits(connections_max=1, idle_connection_s=600), scope_key=SCOPE_KEY
    )
    superuser = await asyncpg.connect(superuser_url)
    tenant: TestTenant = await make_tenant(owner)
    store = await fill(database, tenant.admin, chunks)
    await superuser.execute("VACUUM ANALYZE")
    rows = await superuser.fetch(_RULES)
    today = {row["policy"]: row["rule"] for row in rows}
    alone = {row["policy"]: f"{_TENANT} AND {_OWNER}" if row["of_owner"] else _TENANT for row in rows}
    found: dict[str, Spent] = {}
    for turn in range(rounds + 1):
        if turn == 1:
            found.clear()
        for name, rules in (("tenant's rules alone", alone), ("today's rules", today)):
            await set_rules(superuser, rules)
            for who, scope in (("sees all", tenant.admin), ("customer", tenant.customer)):
                await search_all(database, store, scope, found.setdefault(f"{name}, {who}", Spent()))
        await superuser.execute(
            "INSERT INTO mainstay.restricted_documents SELECT $1, unnest($2::uuid[])",
            tenant.tenant_id,
            store.document_ids[::10],
        )
        hidden = found.setdefault("today's rules, customer, 1 of 10 documents hidden", Spent())
        await search_all(database, store, tenant.customer, hidden)
        await superuser.execute("DELETE FROM mainstay.restricted_documents")
    for opened in (owner, database, superuser):
        await opened.close()
    return found


def main() -> None:
    """Read the options, run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=CHUNKS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    print(f"{machine()}\n{options.chunks} chunks, {QUESTIONS} questions a round, {options.rounds} rounds\n")
    with temporary_folder() as folder, production_cluster(folder) as cluster:
        urls = (cluster.owner_url, cluster.app_url, cluster.superuser_url)
        found = asyncio.run(measure(*urls, options.chunks, options.rounds))
    print(f"{'one search':52}{'PostgreSQL CPU ms':>18}{'p50 ms':>9}")
    cpu_ms = {name: statistics.median(spent.cpu_ms) for name, spent in found.items()}
    for name, spent in found.items():
        print(f"{name:52}{cpu_ms[name]:18.2f}{statistics.median(spent.clock_ms):9.2f}")
    print_figures(
        Figure("", f"hiding rows inside a tenant, {who}, PostgreSQL CPU against the tenant's rules alone", ratio, "×")
        for who in ("sees all", "customer")
        for ratio in (cpu_ms[f"today's rules, {who}"] / cpu_ms[f"tenant's rules alone, {who}"],)
    )


if __name__ == "__main__":
    main()
