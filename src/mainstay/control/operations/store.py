"""The SQL of operations, and its rows as what they mean."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from mainstay.control.operations.models import Attempt, ChildCounts, Job, JobDetail, JobState, QueueStats
from mainstay.kernel.paging import Page, PageRequest
from mainstay.platform.jobs import REDRIVES_MAX
from mainstay.platform.postgres import ReadTx, Record, fetch_page, load_queries

_QUERIES = load_queries(__package__)


async def find_job(tx: ReadTx, job_id: UUID, *, attempts_max: int) -> JobDetail | None:
    """Return one job with its newest attempts."""
    row = await tx.fetch_one(_QUERIES["find_job"], id=job_id)
    if row is None:
        return None
    attempts = await tx.fetch(_QUERIES["list_attempts"], job_id=job_id, limit=attempts_max)
    children = await tx.fetch(_QUERIES["count_children"], job_id=job_id)
    fields = {name: value for name, value in row.items() if name != "payload"}
    return JobDetail(Job(**fields), row["payload"], [Attempt(**one) for one in attempts], _counts(children))


async def page_jobs(
    tx: ReadTx,
    request: PageRequest,
    *,
    states: Sequence[JobState] | None,
    queue: str | None,
    kind: str | None,
    parent_id: UUID | None,
) -> Page[Job]:
    """Return a page of jobs, of some states, a queue, a kind or a parent where asked."""
    return await fetch_page(
        tx,
        _QUERIES["list_jobs"],
        request,
        lambda row: Job(**row),
        key=_QUERIES["find_job_key"],
        states=states,
        queue_of=queue,
        kind_of=kind,
        parent_of=parent_id,
    )


async def queue_stats(tx: ReadTx, *, window_s: float) -> Sequence[QueueStats]:
    """Return how each queue of the tenant that has something to tell stands, in the order of their names."""
    depths: dict[str, dict[JobState, int]] = defaultdict(dict)
    attempts: dict[str, dict[str, int]] = defaultdict(dict)
    oldest: dict[str, float] = {}
    for row in await tx.fetch(_QUERIES["queue_depths"]):
        depths[row["queue"]][row["state"]] = row["jobs"]
        oldest[row["queue"]] = max(oldest.get(row["queue"], 0.0), row["oldest_due_s"])
    for row in await tx.fetch(_QUERIES["queue_outcomes"], window_s=window_s):
        attempts[row["queue"]][row["outcome"]] = row["attempts"]
    return [
        QueueStats(
            queue=queue,
            depth=depths.get(queue, {}),
            oldest_due_s=oldest.get(queue, 0.0),
            window_s=window_s,
            succeeded=attempts.get(queue, {}).get("succeeded", 0),
            attempts=attempts.get(queue, {}),
        )
        for queue in sorted(depths.keys() | attempts.keys())
    ]


async def list_dead(tx: ReadTx, *, queue: str | None, kind: str | None, limit: int) -> Sequence[UUID]:
    """Return dead letters that can be redriven, the oldest first."""
    rows = await tx.fetch(_QUERIES["list_dead"], queue_of=queue, kind_of=kind, limit=limit, redrives_max=REDRIVES_MAX)
    return [row["id"] for row in rows]


def _counts(rows: Sequence[Record]) -> ChildCounts:
    elapsed = [row["elapsed_s"] for row in rows if row["elapsed_s"] is not None]
    return ChildCounts({row["state"]: row["jobs"] for row in rows}, max(elapsed, default=None))
