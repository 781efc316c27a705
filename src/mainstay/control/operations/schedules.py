"""The rules of schedules: each tenant has those that the code declares, and its people may pause, resume and run them.

A schedule's jobs run for a service account of the tenant, made with its first schedule and called SERVICE_ACCOUNT. To
disable it stops all schedules of the tenant. A job that somebody asked for with `run` runs for whoever asked.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from mainstay.control.access import service as access
from mainstay.control.audit import service as audit
from mainstay.control.operations import schedule_store as store
from mainstay.control.operations.schedule_models import StandingSchedule
from mainstay.kernel.errors import MainstayError, NotFound
from mainstay.kernel.ids import encode_id
from mainstay.platform.jobs import Schedule, enqueue
from mainstay.platform.postgres import ReadTx, WriteTx

SERVICE_ACCOUNT = "schedules"
# Longer than any clock of a standby or age of a restored backup should be apart.
FIRINGS_KEPT_DAYS = 35

Declared = Mapping[str, Schedule[Any]]


class ScheduleUndeclared(MainstayError):
    """The code that is running does not know the schedule, so nothing can be made of it."""

    kind = "conflict"
    code = "schedule_undeclared"


async def put_all(tx: WriteTx, declared: Declared) -> None:
    """Give the tenant of the scope every declared schedule, as it is declared, and the account they run for."""
    now = await store.lock_tenant(tx)
    principal_id = await store.find_principal(tx)
    if principal_id is None:
        principal_id = await access.create_principal(tx, name=SERVICE_ACCOUNT, role="service", kind="service_account")
        target_id = encode_id("usr_", principal_id)
        await audit.record(
            tx, "principal.create", target_id=target_id, facts={"role": "service", "kind": "service_account"}
        )
    for schedule in declared.values():
        if await store.put(tx, schedule, principal_id, schedule.times.after(now)):
            facts = {"cron": schedule.cron, "timezone": schedule.timezone}
            await audit.record(tx, "schedule.declare", target_id=schedule.name, facts=facts)


async def fire(tx: WriteTx, declared: Declared, schedule_id: UUID) -> Sequence[datetime]:
    """Make jobs of what is due of a schedule, and return the due times; none where somebody else has done it."""
    locked = await store.lock_due(tx, schedule_id)
    if locked is None:
        return ()
    schedule = declared[locked.name]
    firing = schedule.fire(locked.next_due_at, locked.now)
    known = await store.fired(tx, locked.id, firing.due)
    fresh = [due_at for due_at in firing.due if due_at not in known]
    for due_at in fresh:
        job_id = await enqueue(tx, schedule.kind, schedule.payload_of(due_at), request_id=tx.scope.request_id)
        await store.add_firing(tx, locked.id, due_at, job_id)
    last_due_at = fresh[-1] if fresh else None
    await store.advance(tx, locked.id, schedule, next_due_at=firing.next_due_at, last_due_at=last_due_at)
    await store.forget_firings(tx, locked.id, FIRINGS_KEPT_DAYS)
    return fresh


async def read_all(tx: ReadTx, declared: Declared) -> Sequence[StandingSchedule]:
    """Return how the schedules of the tenant stand, by name."""
    return [StandingSchedule(row, declared.get(row.name)) for row in await store.read_all(tx)]


async def require(tx: ReadTx, declared: Declared, name: str) -> StandingSchedule:
    """Return one schedule of the tenant; raises NotFound."""
    rows = await store.read_all(tx, name)
    if not rows:
        raise NotFound(f"There is no schedule named '{name[:80]}': `mainstay schedules list` shows those there are.")
    return StandingSchedule(rows[0], declared.get(name))


async def pause(tx: WriteTx, declared: Declared, name: str) -> StandingSchedule:
    """Let a schedule rest; what would be due meanwhile passes."""
    standing = await _require_to_steer(tx, declared, name)
    await store.pause(tx, standing.row.id)
    await audit.record(tx, "schedule.pause", target_id=name)
    return await require(tx, declared, name)


async def resume(tx: WriteTx, declared: Declared, name: str) -> StandingSchedule:
    """Let a schedule go on with its first due time after now; raises NotFound or ScheduleUndeclared."""
    standing = await _require_to_steer(tx, declared, name)
    schedule = _require_declared(standing)
    await store.resume(tx, standing.row.id, schedule.times.after(await store.clock(tx)))
    await audit.record(tx, "schedule.resume", target_id=name)
    return await require(tx, declared, name)


async def run(tx: WriteTx, declared: Declared, name: str) -> UUID:
    """Add a job of the schedule now, due times aside, and return its id; raises NotFound or ScheduleUndeclared."""
    schedule = _require_declared(await _require_to_steer(tx, declared, name))
    payload = schedule.payload_of(await store.clock(tx))
    job_id = await enqueue(tx, schedule.kind, payload, request_id=tx.scope.request_id)
    await audit.record(tx, "schedule.run", target_id=name, facts={"job_id": encode_id("job_", job_id)})
    return job_id


async def _require_to_steer(tx: WriteTx, declared: Declared, name: str) -> StandingSchedule:
    """Return one schedule of the tenant, which may be so new that no worker has given it its schedules yet."""
    if name in declared and not await store.read_all(tx, name):
        await put_all(tx, declared)
    return await require(tx, declared, name)


def _require_declared(standing: StandingSchedule) -> Schedule[Any]:
    if standing.declared is None:
        raise ScheduleUndeclared(
            f"The schedule '{standing.row.name}' is not declared by the code that is running: deploy the version or"
            " product that declares it."
        )
    return standing.declared
