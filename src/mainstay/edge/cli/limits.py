"""`mainstay plans` and `limits`: what each plan allows, what holds for a key, and the caps of keys and principals."""

import asyncio
from typing import Annotated, Any

import typer

from mainstay.config import load_settings
from mainstay.edge.cli.connection import connect, owner_url
from mainstay.edge.cli.output import JsonFlag, console, print_json, print_table

PerSecond = Annotated[float | None, typer.Option(help="Requests a second, in the long run.")]
Burst = Annotated[int | None, typer.Option(help="How many may come at once; without it, those of one second.")]
PerHour = Annotated[int | None, typer.Option(help="Requests in an hour; then nothing until it is over.")]

plans = typer.Typer(help="Show or change what plans allow.")
limits = typer.Typer(help="Show what holds for your key, or cap a key or a principal.")


@plans.callback(invoke_without_command=True)
def list_plans_command(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Show what each plan allows; the last two hold for requests without a valid key."""
    if context.invoked_subcommand is not None:
        return
    # Imported here, as below: `ask` and `search` must not wait for what only these commands need.
    from mainstay.edge.maintain import list_plans

    settings = load_settings()
    found = asyncio.run(list_plans(settings, owner_url(settings)))
    rows = [
        {
            "name": plan.name,
            "object": "plan",
            "for_tenants": plan.for_tenants,
            "requests_per_second": plan.limits.requests_per_second,
            "requests_burst": plan.limits.requests_burst,
            "requests_per_hour": plan.limits.requests_per_hour,
        }
        for plan in found
    ]
    if as_json:
        print_json({"object": "list", "data": rows})
        return
    columns = ["plan", "for", "a second", "at once", "an hour"]
    print_table(columns, [(row["name"], _whom(row), *list(row.values())[3:]) for row in rows])


def _whom(row: dict[str, Any]) -> str:
    return "tenants" if row["for_tenants"] else "no valid key"


@plans.command("set")
def set_plan_limits_command(
    name: str,
    requests_per_second: PerSecond = None,
    requests_burst: Burst = None,
    requests_per_hour: PerHour = None,
) -> None:
    """Change those limits of a plan that are given, for all its tenants within a second."""
    # Imported here for the same reason.
    from mainstay.control.limits.models import Limits
    from mainstay.edge.maintain import change_plan

    change = Limits(requests_per_second, requests_burst, requests_per_hour)
    settings = load_settings()
    plan = asyncio.run(change_plan(settings, owner_url(settings), name, change))
    allowed = plan.limits
    console.print(
        f"The plan {plan.name} allows {allowed.requests_per_second:g} requests a second,"
        f" {allowed.requests_burst} at once and {allowed.requests_per_hour} an hour."
    )


@limits.callback(invoke_without_command=True)
def read_limits_command(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Show what holds for your key, and what is left of it."""
    if context.invoked_subcommand is not None:
        return
    with connect() as client:
        found = client.call("GET", "/v1/limits")
    if as_json:
        print_json(found)
        return
    console.print(f"Plan {found['plan']}, key {found['key_id']} of {found['principal_id']}\n")
    rows = [(one["subject"], one["window"], one["limit"], one["remaining"], one["resets_s"]) for one in found["data"]]
    print_table(["of the", "in a", "limit", "left", "all again in s"], rows)


@limits.command("set")
def cap_command(
    subject_id: Annotated[str, typer.Argument(help="A key (key_…) or a principal (usr_…) of your tenant.")],
    requests_per_second: PerSecond = None,
    requests_burst: Burst = None,
    requests_per_hour: PerHour = None,
    as_json: JsonFlag = False,
) -> None:
    """Cap a key or a principal, everywhere within a second; without a limit, take its cap away."""
    body = {
        "requests_per_second": requests_per_second,
        "requests_burst": requests_burst,
        "requests_per_hour": requests_per_hour,
    }
    with connect() as client:
        found = client.call("PUT", f"/v1/limits/{subject_id}", json=body)
    if as_json:
        print_json(found)
        return
    given = [f"{value:g} {field.replace('_', ' ')}" for field, value in found.items() if isinstance(value, int | float)]
    console.print(f"{subject_id}: {', '.join(given) or 'no limits of its own'}")
