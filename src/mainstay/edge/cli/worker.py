"""`mainstay worker`: one worker, as a container or a machine of its own runs it."""

from pathlib import Path
from typing import Annotated

import typer


def worker(
    queues: Annotated[
        str | None, typer.Option(help="The queues to take jobs from, with commas between (MAINSTAY_WORKER_QUEUES).")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="How many jobs to run at a time (MAINSTAY_WORKER_CONCURRENCY).")
    ] = None,
    transport: Annotated[
        str | None, typer.Option(help="What wakes it: postgres or sqs (MAINSTAY_JOB_TRANSPORT).")
    ] = None,
    health_port: Annotated[
        int | None,
        typer.Option(help="Answer /healthz, /readyz and /metrics on this port (MAINSTAY_WORKER_HEALTH_PORT)."),
    ] = None,
    home: Annotated[Path | None, typer.Option(help="The folder of what this machine keeps (MAINSTAY_HOME).")] = None,
) -> None:
    """Run one worker until SIGTERM: it then takes no other job, and hands back what has not ended in 25 s."""
    # Imported here: `ask` and `search` must not wait for what only this command needs.
    from mainstay.edge.worker.command import run_worker

    status = run_worker(
        worker_queues=queues,
        worker_concurrency=concurrency,
        job_transport=transport,
        worker_health_port=health_port,
        home=home,
    )
    raise typer.Exit(status)
