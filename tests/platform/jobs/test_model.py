"""The table against a model: whatever order things happen in, both agree on every job after every step."""

import asyncio
import secrets
from collections.abc import Collection, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from mainstay.platform.jobs import (
    Cancelled,
    JobHandler,
    JobRegistry,
    JobRun,
    LeaseLost,
    enqueue,
    family_store,
    interventions,
    store,
)
from mainstay.platform.jobs.burial import bury
from mainstay.platform.jobs.models import Lease
from mainstay.platform.postgres import Database, Scope
from tests.support.database import SCOPE_KEY, DatabaseUrls
from tests.support.jobs import EFFECTS_TABLE, JobTable, bury_with_effect, kind
from tests.support.tenants import TestTenant, make_tenant

Result = TypeVar("Result")


@dataclass
class World:
    """What all examples share: an event loop and connections that live in it."""

    runner: asyncio.Runner
    database: Database
    table: JobTable
    tenants: list[TestTenant]


@dataclass
class ModelJob:
    """What the table should say of one job."""

    tenant_id: UUID
    key: str | None
    attempts_max: int
    due: bool
    state: str = "queued"
    attempt: int = 0
    fence: int = 0
    expired: bool = False
    parent: UUID | None = None
    joins: bool = False
    cancel_requested: bool = False
    untold: bool = False
    redrives: int = 0
    burials: int = 0
    # How its attempts ended that did not end well.
    history: list[str] = field(default_factory=list)

    @property
    def unfinished(self) -> bool:
        return self.state in ("queued", "running", "waiting", "failed")

    def end_badly(self, state: str, outcome: str) -> None:
        """Note that an attempt has ended in `state`, which a cancellation that was asked for overrides."""
        self.state = "cancelled" if self.cancel_requested else state
        self.untold = self.cancel_requested
        self.history.append("cancelled" if self.cancel_requested and outcome != "lease_expired" else outcome)


async def _unused(_: JobRun) -> None:
    raise AssertionError("no worker runs here")


class QueueMachine(RuleBasedStateMachine):
    """Everything that may happen to a job, in any order, by two tenants on one queue.

    Which job a claim takes the database decides by lot. So no rule has a precondition, and no draw depends on what
    became of any job: an example that is run again makes the same steps, and some of them may find nothing to do.
    """

    world: World
    leases = Bundle("leases")

    @initialize()
    def start(self) -> None:
        self.queue = f"q{secrets.token_hex(6)}"
        self.jobs: dict[UUID, ModelJob] = {}
        self.handler = JobHandler(kind(self.queue, self.queue), _unused, bury_with_effect)
        for tenant, key in ((0, None), (0, "a"), (1, "a")):
            self.enqueue(tenant=tenant, key=key, attempts_max=2, later=False)

    def do(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return self.world.runner.run(coroutine)

    @rule(
        tenant=st.integers(0, 1), key=st.sampled_from([None, "a", "b"]), attempts_max=st.integers(1, 3),
        later=st.booleans(),
    )  # fmt: skip
    def enqueue(self, tenant: int, key: str | None, attempts_max: int, later: bool) -> None:
        scope = self.world.tenants[tenant].admin

        async def add() -> UUID:
            async with self.world.database.write(scope) as tx:
                job_kind = kind(self.queue, self.queue, attempts_max=attempts_max)
                return await enqueue(tx, job_kind, {}, request_id="test", unique_key=key, delay_s=3600 if later else 0)

        job_id = self.do(add())
        twins = self._twins(key, scope.tenant_id)
        if twins:
            assert [job_id] == twins
        else:
            assert job_id not in self.jobs
            self.jobs[job_id] = ModelJob(scope.tenant_id, key, attempts_max, due=not later)

    def _twins(self, key: str | None, tenant_id: UUID) -> list[UUID]:
        """Return the job that has a key now, if there is one."""
        return [
            known_id for known_id, job in self.jobs.items()
            if key and (job.key, job.tenant_id) == (key, tenant_id) and job.state in ("queued", "running", "waiting")
        ]  # fmt: skip

    @rule(target=leases, count_max=st.integers(1, 4), expired=st.booleans())
    def claim(self, count_max: int, expired: bool) -> list[Lease]:
        async def take(count: int) -> list[Lease]:
            async with self.world.database.keyhole() as tx:
                return list(
                    await store.claim(
                        tx, queues=[self.queue], kinds=[self.queue], worker="test", count_max=count,
                        lease_s=0 if expired else 3600,
                    )
                )  # fmt: skip

        due = {job_id for job_id, job in self.jobs.items() if job.state == "queued" and job.due}
        taken: list[Lease] = []
        while len(taken) < count_max and (more := self.do(take(count_max - len(taken)))):
            taken += more
        assert {lease.job_id for lease in taken} <= due
        assert len(taken) == min(count_max, len(due))
        for lease in taken:
            job = self.jobs[lease.job_id]
            job.state, job.attempt, job.fence, job.expired = "running", job.attempt + 1, job.fence + 1, expired
            assert lease.fence == job.fence
        return taken

    def _holds(self, lease: Lease) -> bool:
        job = self.jobs[lease.job_id]
        return job.state == "running" and job.fence == lease.fence

    def _write(self, lease: Lease, how: str, **values: Any) -> bool:
        """Do something fenced, and return whether it was kept, which must be as the model says."""

        async def write() -> bool:
            try:
                async with self.world.database.write(lease.scope) as tx:
                    await getattr(store, how)(tx, lease, **values)
            except LeaseLost:
                return False
            return True

        kept = self.do(write())
        assert kept == self._holds(lease)
        return kept

    @rule(leases=leases)
    def finish(self, leases: list[Lease]) -> None:
        for lease in leases[:1]:
            if self._write(lease, "finish"):
                self.jobs[lease.job_id].state = "succeeded"

    @rule(leases=leases, later=st.booleans())
    def postpone(self, leases: list[Lease], later: bool) -> None:
        for lease in leases[-1:]:
            if self._write(lease, "postpone", delay_s=3600 if later else 0, code="retry", reason="Again."):
                job = self.jobs[lease.job_id]
                again = job.attempt < job.attempts_max
                job.end_badly("queued" if again else "failed", "retried" if again else "failed")
                job.due = not later

    @rule(leases=leases)
    def fail(self, leases: list[Lease]) -> None:
        for lease in leases[:1]:
            if self._write(lease, "fail", code="broken", reason="It is broken."):
                self.jobs[lease.job_id].end_badly("failed", "failed")

    @rule(leases=leases)
    def hold(self, leases: list[Lease]) -> None:
        for lease in leases:
            self._write(lease, "hold")

    @rule(leases=leases)
    def hand_back(self, leases: list[Lease]) -> None:
        async def give() -> int:
            async with self.world.database.keyhole() as tx:
                return await store.hand_back(tx, leases, [self.queue])

        held = [lease for lease in leases if self._holds(lease)]
        assert self.do(give()) == len(held)
        for lease in held:
            job = self.jobs[lease.job_id]
            job.state, job.attempt, job.due = "queued", job.attempt - 1, True
            if job.cancel_requested:
                job.state, job.untold = "cancelled", True

    @rule(leases=leases)
    def renew(self, leases: list[Lease]) -> None:
        async def beat() -> frozenset[UUID]:
            async with self.world.database.keyhole() as tx:
                return await store.renew(tx, leases, 3600)

        jobs = {lease.job_id: self.jobs[lease.job_id] for lease in leases}
        kept = {
            lease.job_id for lease in leases
            if jobs[lease.job_id].fence == lease.fence and jobs[lease.job_id].state in ("running", "succeeded")
        }  # fmt: skip
        assert self.do(beat()) == kept
        for job_id in kept:
            self.jobs[job_id].expired = False

    @rule()
    def rescue(self) -> None:
        async def sweep() -> None:
            async with self.world.database.keyhole() as tx:
                await store.rescue(tx)
            # What was lost more than once waits a moment; here the moment is over.
            await self.world.table.connection.execute(
                "UPDATE mainstay.jobs SET run_at = now() WHERE queue = $1 AND state = 'queued'"
                " AND run_at BETWEEN now() AND now() + interval '1 minute'",
                self.queue,
            )

        self.do(sweep())
        for job in self.jobs.values():
            if job.state == "running" and job.expired:
                job.end_badly("failed" if job.attempt >= job.attempts_max else "queued", "lease_expired")
                job.due = True

    @rule(leases=leases, count=st.integers(0, 2))
    def spawn(self, leases: list[Lease], count: int) -> None:
        for lease in leases[:1]:
            job = self.jobs[lease.job_id]

            async def wait(lease: Lease = lease) -> list[UUID] | None:
                try:
                    async with self.world.database.write(lease.scope) as tx:
                        child = kind(self.queue, self.queue, attempts_max=2)
                        ids = [
                            await enqueue(tx, child, {}, request_id="test", parent=lease.job_id) for _ in range(count)
                        ]
                        await family_store.wait(tx, lease)
                except (LeaseLost, Cancelled):
                    return None
                return ids

            holds = self._holds(lease) and not job.cancel_requested
            ids = self.do(wait())
            assert (ids is not None) == holds
            if ids is not None:
                job.state, job.attempt, job.joins = "waiting", 0, True
                for child_id in ids:
                    self.jobs[child_id] = ModelJob(lease.tenant_id, None, 2, due=True, parent=lease.job_id)

    @rule()
    def wake(self) -> None:
        async def look() -> None:
            async with self.world.database.keyhole() as tx:
                await family_store.wake_waiting(tx)

        self.do(look())
        self._wake(self.jobs)

    def _wake(self, parents: Collection[UUID | None]) -> None:
        """Queue those of these jobs that wait for nobody any more."""
        for job_id, job in self.jobs.items():
            children = [child for child in self.jobs.values() if child.parent == job_id]
            if job_id in parents and job.state == "waiting" and not any(child.unfinished for child in children):
                job.state, job.due = "queued", True

    def _choose(self, number: int, *states: str) -> tuple[UUID, ModelJob]:
        """Return one of the jobs; from 0 on those in `states`, the newest first, and after them the others."""
        newest_first = list(reversed(self.jobs.items()))
        ranked = sorted(newest_first, key=lambda item: item[1].state not in states)
        return ranked[number % len(ranked)]

    def _scope(self, job: ModelJob) -> Scope:
        return next(one.admin for one in self.world.tenants if one.tenant_id == job.tenant_id)

    @rule(number=st.integers(0, 30))
    def cancel(self, number: int) -> None:
        job_id, job = self._choose(number, "queued", "running", "waiting")

        async def ask() -> interventions.Cancellation:
            async with self.world.database.write(self._scope(job), unaudited="a test") as tx:
                return await interventions.cancel(tx, job_id)

        done = self.do(ask())
        family, generation = [job_id], [job_id]
        while generation:
            generation = [known for known, one in self.jobs.items() if one.parent in generation]
            family += generation
        wanted = [one for one in family if self.jobs[one].state in ("queued", "running", "waiting")]
        assert sorted([*done.cancelled, *done.interrupted]) == sorted(wanted)
        for one in (self.jobs[known] for known in wanted):
            one.cancel_requested = True
            if one.state == "running":
                one.key = None
            else:
                one.state, one.untold = "cancelled", True

    @rule(number=st.integers(0, 30))
    def redrive(self, number: int) -> None:
        # Dead letters are rare: whatever can be one becomes one.
        self.bury(twice=False)
        job_id, job = self._choose(number, "dead")

        async def ask() -> bool:
            try:
                async with self.world.database.write(self._scope(job), unaudited="a test") as tx:
                    await interventions.redrive(tx, job_id)
            except interventions.WrongState:
                return False
            return True

        assert self.do(ask()) == (job.state == "dead" and not self._twins(job.key, job.tenant_id))
        if job.state == "dead" and not self._twins(job.key, job.tenant_id):
            job.state, job.attempt, job.due, job.redrives = "queued", 0, True, job.redrives + 1

    @rule(twice=st.booleans())
    def bury(self, twice: bool) -> None:
        async def bury_all() -> None:
            registry = JobRegistry([self.handler])
            async with self.world.database.keyhole() as tx:
                due = [lease for lease in await store.take_burials(tx, [self.queue], 0) if lease.job_id in self.jobs]
            for lease in due * (2 if twice else 1):
                await bury(self.world.database, registry, lease)

        self.do(bury_all())
        parents: set[UUID | None] = set()
        for job in self.jobs.values():
            if job.state == "failed" or job.untold:
                job.state = "dead" if job.state == "failed" else job.state
                job.untold, job.burials = False, job.burials + 1
                parents.add(job.parent)
        # A parent may have waited for a burial.
        self._wake(parents)

    @invariant()
    def table_agrees(self) -> None:
        if not hasattr(self, "jobs"):
            return

        async def look() -> tuple[list[Any], list[Any], list[Any]]:
            connection = self.world.table.connection
            return (
                await connection.fetch("SELECT * FROM mainstay.jobs WHERE queue = $1", self.queue),
                await self.world.table.effects(self.queue),
                await connection.fetch(
                    "SELECT a.job_id, a.outcome FROM mainstay.job_attempts a JOIN mainstay.jobs j ON j.id = a.job_id"
                    " WHERE j.queue = $1 ORDER BY a.job_id, a.fence",
                    self.queue,
                ),
            )

        rows, effects, history = self.do(look())
        assert {row["id"] for row in rows} == set(self.jobs)
        for row in rows:
            job = self.jobs[row["id"]]
            assert (row["state"], row["attempt"], row["fence"]) == (job.state, job.attempt, job.fence)
            assert (row["untold"], row["redrives"], row["joins"]) == (job.untold, job.redrives, job.joins)
            assert (row["cancel_requested_at"] is not None) == job.cancel_requested
            assert job.attempt <= job.attempts_max
        ended = [(job_id, outcome) for job_id in sorted(self.jobs) for outcome in self.jobs[job_id].history]
        assert [(row["job_id"], row["outcome"]) for row in history] == ended
        buried = sorted(job_id for job_id, job in self.jobs.items() for _ in range(job.burials))
        assert [job_id for job_id, _ in effects] == buried


def _check_machine(urls: DatabaseUrls, examples: int, steps: int) -> None:
    async def open_world(runner: asyncio.Runner) -> World:
        table = JobTable(await asyncpg.create_pool(urls.superuser, min_size=1, max_size=1))
        await table.connection.execute(EFFECTS_TABLE)
        owner = await Database.connect(urls.owner, scope_key=SCOPE_KEY, as_owner=True)
        tenants = [await make_tenant(owner) for _ in range(2)]
        await owner.close()
        return World(runner, await Database.connect(urls.app, scope_key=SCOPE_KEY), table, tenants)

    async def close_world(world: World) -> None:
        await world.database.close()
        await world.table.connection.close()

    with asyncio.Runner() as runner:
        world = runner.run(open_world(runner))
        machine = type("Machine", (QueueMachine,), {"world": world})
        try:
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=steps,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(close_world(world))


def test_jobs_agree_with_the_model(database_urls: DatabaseUrls) -> None:
    _check_machine(database_urls, examples=15, steps=30)


@pytest.mark.deep
@pytest.mark.timeout(900)
def test_jobs_agree_with_the_model_for_long(database_urls: DatabaseUrls) -> None:
    _check_machine(database_urls, examples=600, steps=60)
