"""Throughput while a transaction is held open: dead entries of the index of what waits cannot be cleaned up."""

import asyncio
import time
from collections.abc import Sequence

import asyncpg

from bench.jobs.rivals import Rival

WINDOW_S = 5.0
# To delete jobs would look for the children of each in the whole table.
END_ALL = "UPDATE mainstay.jobs SET state = 'succeeded', finished_at = now() WHERE state = 'queued'"


async def measure_held(rival: Rival, superuser_url: str, jobs: int, held_s: float) -> Sequence[float]:
    """Return jobs a second in windows of five seconds; a transaction that has seen the table is open for `held_s`."""
    rival.control.do("fill", name="noop", jobs=jobs)
    holder = await asyncpg.connect(superuser_url)
    rates: list[float] = []
    try:
        transaction = holder.transaction(isolation="repeatable_read")
        await transaction.start()
        before = await holder.fetchval("SELECT count(*) FROM mainstay.jobs WHERE state = 'succeeded'")
        for worker in rival.workers:
            worker.do("start")
        began = then = time.perf_counter()
        while then - began < held_s:
            await asyncio.sleep(WINDOW_S)
            now, done = time.perf_counter(), int(rival.control.do("done"))
            rates.append((done - before) / (now - then))
            before, then = done, now
        await transaction.rollback()
        for worker in rival.workers:
            worker.do("stop")
        await holder.execute(END_ALL)
    finally:
        await holder.close()
    return rates
