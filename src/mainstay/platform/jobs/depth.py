"""How deep the queues are, as metrics; any process with a database can tell."""

from collections.abc import Iterable

from mainstay.platform.jobs import metrics, store
from mainstay.platform.postgres import Database

# Queues that this process has told of: one that became empty is told of as empty, and not as it last was.
_TOLD: set[str] = set()
STATES = ("queued", "running", "waiting", "failed")


async def measure_depth(database: Database, queues: Iterable[str] = ()) -> None:
    """Count the unfinished and dead jobs of all queues into the gauges; an empty one of `queues` is told of, too."""
    async with database.keyhole() as tx:
        depths = {(depth.queue, depth.state): depth for depth in await store.count(tx)}
    _TOLD.update(queues, (queue for queue, _ in depths))
    for queue in _TOLD:
        for state in STATES:
            found = depths.get((queue, state))
            metrics.DEPTH.labels(queue, state).set(found.jobs if found else 0)
        dead = depths.get((queue, "dead"))
        metrics.DEAD.labels(queue).set(dead.jobs if dead else 0)
        waiting = depths.get((queue, "queued"))
        metrics.OLDEST_S.labels(queue).set(waiting.oldest_due_s if waiting else 0)
