"""`mainstay schedules list|pause|resume|run`: the schedules of the tenant of the caller's key."""

from typing import Annotated, Any

import typer

from mainstay.edge.cli.connection import connect
from mainstay.edge.cli.output import JsonFlag, console, print_json, print_table

schedules = typer.Typer(no_args_is_help=True, help="Show, pause, resume and run what is due by the clock.")

Name = Annotated[str, typer.Argument(help="The name of a schedule, as `mainstay schedules list` shows it.")]


@schedules.command("list")
def list_schedules(as_json: JsonFlag = False) -> None:
    """Show all schedules, with when they are due next."""
    with connect() as client:
        found = client.call("GET", "/v1/schedules")
    if as_json:
        print_json(found)
        return
    columns = ["schedule", "state", "cron", "time zone", "due next", "due last"]
    print_table(columns, [_cells(one) for one in found["data"]])


@schedules.command("pause")
def pause_schedule(name: Name, as_json: JsonFlag = False) -> None:
    """Let a schedule rest; what would be due meanwhile is not caught up."""
    _say(_post(name, "pause"), as_json, f"{name} is paused.")


@schedules.command("resume")
def resume_schedule(name: Name, as_json: JsonFlag = False) -> None:
    """Let a schedule go on with its first due time after now."""
    found = _post(name, "resume")
    _say(found, as_json, f"{name} is due next at {found['next_due_at']}.")


@schedules.command("run")
def run_schedule(name: Name, as_json: JsonFlag = False) -> None:
    """Add a job of the schedule now; its due times stay as they are."""
    found = _post(name, "run")
    _say(found, as_json, f"{name} runs as {found['job_id']}.")


def _post(name: str, verb: str) -> dict[str, Any]:
    with connect() as client:
        return client.call("POST", f"/v1/schedules/{name}/{verb}")


def _say(found: dict[str, Any], as_json: bool, sentence: str) -> None:
    if as_json:
        print_json(found)
    else:
        console.print(sentence)


def _cells(one: dict[str, Any]) -> tuple[str, ...]:
    due_next, due_last = one["next_due_at"] or "—", one["last_due_at"] or "—"
    return (one["id"], one["state"], one["cron"], one["timezone"], due_next, due_last)
