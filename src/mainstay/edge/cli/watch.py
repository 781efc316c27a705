"""`mainstay jobs watch`: jobs or queues with live progress, until all have ended."""

import time
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from mainstay.edge.cli.connection import connect
from mainstay.edge.cli.jobs import PATIENCE_S, STATS_COLUMNS, jobs, stats_row
from mainstay.edge.cli.output import JsonFlag, console, duration, errors, make_table, print_json, print_table
from mainstay.sdk import Client

POLL_S = 0.5
ENDED = frozenset({"succeeded", "cancelled", "dead"})
EXIT_UNSUCCESSFUL, EXIT_TIMEOUT = 1, 5


@jobs.command("watch")
def watch(
    job_ids: Annotated[list[str] | None, typer.Argument(help="Ids of jobs; without any, all queues.")] = None,
    timeout_s: Annotated[float, typer.Option("--timeout", min=0.1, help="Give up after so many seconds.")] = 3600.0,
    as_json: JsonFlag = False,
) -> None:
    """Wait until jobs have ended, or without ids until the queues are empty, and show how far they are.

    Exits with 0 when all have succeeded, 1 when one has not, 5 when the time is over.
    """
    deadline_s = time.monotonic() + timeout_s
    if job_ids:
        _watch_jobs(list(dict.fromkeys(job_ids)), deadline_s, as_json=as_json)
    else:
        _watch_queues(deadline_s, as_json=as_json)


def _watch_jobs(job_ids: Sequence[str], deadline_s: float, *, as_json: bool) -> None:
    columns = ("{task.description}", "{task.fields[state]}")
    progress = Progress(
        *map(TextColumn, columns), BarColumn(), TextColumn("{task.fields[left]}"), TimeElapsedColumn(), console=errors
    )
    seen: dict[str, dict[str, Any]] = {}
    with connect() as client, progress:
        tasks = {one: progress.add_task(one, total=None, state="", left="") for one in job_ids}
        while True:
            for job_id in job_ids:
                if seen.get(job_id, {}).get("state") not in ENDED:
                    seen[job_id] = client.call("GET", f"/v1/jobs/{job_id}", patience_s=PATIENCE_S)
                    _show(progress, tasks[job_id], seen[job_id])
            over = all(job["state"] in ENDED for job in seen.values())
            if over or time.monotonic() > deadline_s:
                break
            time.sleep(POLL_S)
    ended = [seen[one] for one in job_ids]
    if as_json:
        print_json({"object": "list", "data": ended})
    else:
        rows = [(one["id"], one["kind"], one["state"], one["error"] and one["error"]["message"]) for one in ended]
        print_table(["id", "kind", "state", "error"], rows, folded="error")
    if not over:
        raise typer.Exit(EXIT_TIMEOUT)
    if any(one["state"] != "succeeded" for one in ended):
        raise typer.Exit(EXIT_UNSUCCESSFUL)


def _show(progress: Progress, task: TaskID, job: dict[str, Any]) -> None:
    done, total = _measure(job)
    left = "" if job["eta_s"] is None else f"{duration(job['eta_s'])} left"
    progress.update(task, description=job["kind"], state=job["state"], completed=done, total=total, left=left)
    if job["state"] in ENDED:
        progress.update(task, completed=total or 1, total=total or 1, left="")
        progress.stop_task(task)


def _measure(job: dict[str, Any]) -> tuple[int, int | None]:
    """Return how much of a job is done, by its children while it waits for them."""
    children: dict[str, int] = job["children"]
    if job["state"] == "waiting" and children:
        return sum(count for state, count in children.items() if state in ENDED), sum(children.values())
    progress = job["progress"]
    return (0, None) if progress is None else (progress["done"], progress["total"])


def _watch_queues(deadline_s: float, *, as_json: bool) -> None:
    with connect() as client, Live(console=errors, refresh_per_second=4) as live:
        while True:
            stats = _stats(client)
            live.update(make_table(STATS_COLUMNS, [stats_row(one) for one in stats]))
            over = not any(sum(one["depth"].values()) for one in stats)
            if over or time.monotonic() > deadline_s:
                break
            time.sleep(POLL_S)
    if as_json:
        print_json({"object": "list", "data": stats})
    else:
        dead = sum(one["dead"] for one in stats)
        console.print("The queues are empty." if over else "The queues are not empty yet.")
        if dead:
            console.print(f"Dead letters: {dead}; `mainstay jobs list --state dead` shows them.")
    if not over:
        raise typer.Exit(EXIT_TIMEOUT)


def _stats(client: Client) -> list[dict[str, Any]]:
    return client.call("GET", "/v1/jobs/stats", patience_s=PATIENCE_S)["data"]
