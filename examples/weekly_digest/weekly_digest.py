"""A product in one module: each Monday morning, what the tenant's model calls of the week took and cost.

Run it with `MAINSTAY_PRODUCT=examples/weekly_digest mainstay up`. What it found is the result of its job; the README
tells how to read it.
"""

from dataclasses import dataclass

from mainstay.product import JobHandler, JobKind, JobRun, Product, Schedule, record_audit, summarise_usage


@dataclass(frozen=True)
class Digest:
    """How many days back it looks."""

    days: int


WRITE = JobKind("digest.write", payload=Digest, queue="digest", timeout_s=60, attempts_max=3)


async def write(run: JobRun[Digest]) -> None:
    """Add up what was used: the result of the job, and in the same commit a line of the tenant's audit."""
    async with run.read() as tx:
        usage = await summarise_usage(tx, grouping="model", days=run.payload.days)
    digest = {
        "days": run.payload.days,
        "calls": usage.total.calls,
        "tokens": usage.total.input_tokens + usage.total.output_tokens,
        "cost_usd_nanos": usage.total.cost_usd_nanos,
        "models": len(usage.groups),
    }
    run.set_result(digest)
    async with run.commit() as tx:
        await record_audit(tx, "digest.write", facts=digest)


product = Product(
    jobs=[JobHandler(WRITE, run=write)],
    schedules=[
        # After an outage over Monday morning the tenant still gets its digest, once.
        Schedule("digest.weekly", WRITE, cron="0 7 * * 1", timezone="Europe/London", payload=Digest(7), catch_up="last")
    ],
)
