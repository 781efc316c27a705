"""`mainstay jobs list|show|stats|retry|cancel|redrive`: what runs in the background, and what to do about it."""

from typing import Annotated, Any

import typer

from mainstay.edge.cli.connection import connect
from mainstay.edge.cli.output import JsonFlag, clock, console, duration, print_json, print_table
from mainstay.sdk import Client

State = Annotated[str | None, typer.Option(help="queued, running, waiting, succeeded, cancelled, failed or dead.")]
Queue = Annotated[str | None, typer.Option(help="Only of this queue.")]
Kind = Annotated[str | None, typer.Option(help="Only of this kind, for example documents.ingest.")]
Ids = Annotated[list[str], typer.Argument(help="Ids of jobs.")]
# An exchange that met a restart is tried again; nothing that is asked here is done twice.
PATIENCE_S = 30.0
EXIT_INVALID = 2

jobs = typer.Typer(no_args_is_help=True, help="See background jobs, and cancel, retry or redrive them.")


@jobs.command("list")
def list_jobs(
    state: State = None,
    queue: Queue = None,
    kind: Kind = None,
    parent: Annotated[str | None, typer.Option(help="Only children of this job.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many of the newest.")] = 20,
    as_json: JsonFlag = False,
) -> None:
    """Show jobs, newest first."""
    given = {"state": state, "queue": queue, "kind": kind, "parent": parent}
    params = {name: value for name, value in given.items() if value is not None}
    with connect() as client:
        found = client.call("GET", "/v1/jobs", params={**params, "limit": limit}, patience_s=PATIENCE_S)
    if as_json:
        print_json(found)
        return
    columns = ["id", "kind", "state", "attempt", "progress", "created", "took", "error"]
    print_table(columns, [_row(one) for one in found["data"]])
    if found["has_more"]:
        console.print("\nMore are there: raise --limit, or narrow by --state, --queue or --kind.")


@jobs.command("show")
def show_job(job_id: str, as_json: JsonFlag = False) -> None:
    """Show one job with its attempts that ended badly, its children, its result, and the time left."""
    with connect() as client:
        job = client.call("GET", f"/v1/jobs/{job_id}", patience_s=PATIENCE_S)
    if as_json:
        print_json(job)
    else:
        print_job(job)


@jobs.command("stats")
def show_stats(as_json: JsonFlag = False) -> None:
    """Show each queue: depth, age of the oldest, throughput, retries, dead letters, and the time left."""
    with connect() as client:
        found = client.call("GET", "/v1/jobs/stats", patience_s=PATIENCE_S)
    if as_json:
        print_json(found)
    else:
        print_table(STATS_COLUMNS, [stats_row(one) for one in found["data"]])


@jobs.command("retry")
def retry_job(job_id: str, as_json: JsonFlag = False) -> None:
    """Let a job that waits for its time or its backoff run now."""
    with connect() as client:
        job = client.call("POST", f"/v1/jobs/{job_id}/retry", patience_s=PATIENCE_S)
    if as_json:
        print_json(job)
    else:
        console.print(f"{job_id} runs now.")


@jobs.command("cancel")
def cancel_jobs(job_ids: Ids, as_json: JsonFlag = False) -> None:
    """Cancel jobs and their children: at once where they wait, within seconds where they run."""
    with connect() as client:
        done = [client.call("POST", f"/v1/jobs/{one}/cancel", patience_s=PATIENCE_S) for one in job_ids]
    if as_json:
        print_json({"object": "list", "data": done})
        return
    for job in done:
        words = "is cancelled" if job["state"] == "cancelled" else "is asked to end"
        console.print(f"{job['id']} {words}.")


@jobs.command("redrive")
def redrive_jobs(
    job_ids: Annotated[list[str] | None, typer.Argument(help="Ids of dead letters.")] = None,
    queue: Annotated[str | None, typer.Option(help="All dead letters of this queue.")] = None,
    kind: Annotated[str | None, typer.Option(help="All dead letters of this kind.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Queue dead letters again, under their ids and with their history: those named, or all of a queue or a kind."""
    if bool(job_ids) == bool(queue or kind):
        console.print("Name dead letters by their ids, or else by --queue or --kind.")
        raise typer.Exit(EXIT_INVALID)
    with connect() as client:
        if job_ids:
            redriven = [client.call("POST", f"/v1/jobs/{one}/redrive", patience_s=PATIENCE_S)["id"] for one in job_ids]
        else:
            redriven = _redrive_all(client, {"queue": queue, "kind": kind})
    if as_json:
        print_json({"object": "job.redrive", "ids": redriven})
    else:
        console.print(f"Dead letters queued again: {len(redriven)}")


def _redrive_all(client: Client, named: dict[str, str | None]) -> list[str]:
    body = {name: value for name, value in named.items() if value}
    redriven: list[str] = []
    more = True
    while more:
        done = client.call("POST", "/v1/jobs/redrive", json=body, patience_s=PATIENCE_S)
        redriven += done["ids"]
        more = done["has_more"] and bool(done["ids"])
    return redriven


def print_job(job: dict[str, Any]) -> None:
    """Print one job for people."""
    facts = [
        ("kind", job["kind"]),
        ("queue", job["queue"]),
        ("state", _state(job)),
        ("attempt", _attempt(job)),
        ("progress", _progress(job)),
        ("time left", duration(job["eta_s"])),
        ("created", clock(job["created_at"])),
        ("due", clock(job["run_at"]) if job["state"] == "queued" else None),
        ("started", clock(job["started_at"])),
        ("finished", clock(job["finished_at"])),
        ("children", ", ".join(f"{count} {state}" for state, count in job["children"].items()) or None),
        ("parent", job["parent_id"]),
        ("principal", job["principal_id"]),
        ("request", job["request_id"]),
        ("payload", job["payload"]),
        ("result", job["result"] if job["result"] is not None else ("an object" if job["has_result"] else None)),
        ("error", f"{job['error']['code']}: {job['error']['message']}" if job["error"] else None),
    ]
    console.print(job["id"], style="bold")
    for name, value in facts:
        if value is not None:
            console.print(f"  {name:<10} {value}")
    if job["attempts"]:
        console.print("\nattempts that ended badly", style="bold")
        rows = [
            (one["attempt"], one["outcome"], clock(one["ended_at"]), _took(one["started_at"], one["ended_at"]),
             one["worker"], one["error"] and f"{one['error']['code']}: {one['error']['message']}")
            for one in job["attempts"]
        ]  # fmt: skip
        print_table(["attempt", "outcome", "ended", "took", "worker", "error"], rows, folded="error")


STATS_COLUMNS = ("queue", "queued", "running", "waiting", "oldest", "per s", "retried", "failed", "dead", "left")


def stats_row(one: dict[str, Any]) -> list[Any]:
    """Return one queue as a row under STATS_COLUMNS."""
    depth, attempts = one["depth"], one["attempts"]
    lost = attempts.get("lease_expired", 0)
    return [
        one["id"],
        *(depth.get(state, 0) for state in ("queued", "running", "waiting")),
        duration(one["oldest_due_s"]) if one["oldest_due_s"] else None,
        f"{one['throughput_per_s']:.2f}",
        attempts.get("retried", 0) + lost,
        attempts.get("failed", 0),
        one["dead"],
        duration(one["eta_s"]),
    ]


def _row(job: dict[str, Any]) -> tuple[Any, ...]:
    error = job["error"]["code"] if job["error"] else None
    took = _took(job["started_at"], job["finished_at"])
    return (
        job["id"], job["kind"], _state(job), _attempt(job), _progress(job), clock(job["created_at"]), took, error,
    )  # fmt: skip


def _state(job: dict[str, Any]) -> str:
    ending = job["state"] == "running" and job["cancel_requested_at"] is not None
    return "running, to be cancelled" if ending else job["state"]


def _attempt(job: dict[str, Any]) -> str:
    again = f", redriven {job['redrives']} times" if job["redrives"] else ""
    return f"{job['attempt']} of {job['attempts_max']}{again}"


def _progress(job: dict[str, Any]) -> str | None:
    progress = job["progress"]
    if progress is None:
        return None
    return str(progress["done"]) if progress["total"] is None else f"{progress['done']} of {progress['total']}"


def _took(started: int | None, ended: int | None) -> str | None:
    return None if started is None or ended is None else duration(float(ended - started))
