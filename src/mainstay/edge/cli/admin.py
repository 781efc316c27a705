"""`mainstay tenants create`, `keys create`, `operators create`: maintenance as the schema's owner, on the machine."""

import asyncio
from typing import Annotated, Literal

import typer

from mainstay.config import load_settings
from mainstay.edge.cli.connection import owner_url
from mainstay.edge.cli.limits import Burst, PerHour, PerSecond
from mainstay.edge.cli.output import JsonFlag, console, print_json
from mainstay.kernel.ids import encode_id

# The roles of `control.access`, written out so that the command line starts without the packages of the server.
Role = Literal["owner", "admin", "reviewer", "engineer", "product", "customer", "service"]

tenants = typer.Typer(no_args_is_help=True, help="Make tenants.")
keys = typer.Typer(no_args_is_help=True, help="Make, show and revoke API keys.")
operators = typer.Typer(no_args_is_help=True, help="Make operators, who stand above the tenants and only read.")


@tenants.command("create")
def create_tenant_command(
    name: str,
    plan: Annotated[str | None, typer.Option(help="Its plan, of `mainstay plans`; without one, the smallest.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a tenant, with the key of its first owner, which is shown this once."""
    # Imported here, as below: `ask` and `search` must not wait for what only these commands need.
    from mainstay.edge.maintain import create_tenant

    settings = load_settings()
    made = asyncio.run(create_tenant(settings, owner_url(settings), name, plan=plan))
    if as_json:
        print_json(
            {
                "id": encode_id("ten_", made.id),
                "object": "tenant",
                "name": made.name,
                "role": made.key.role,
                "key": made.key.secret,
            }
        )
        return
    console.print(
        f"Tenant {made.name} ({encode_id('ten_', made.id)})\nKey of its owner, shown this once:\n{made.key.secret}"
    )


@tenants.command("set-plan")
def set_plan_command(name: str, plan: str) -> None:
    """Put a tenant on a plan of `mainstay plans`; it holds everywhere within a second."""
    # Imported here for the same reason.
    from mainstay.edge.maintain import set_tenant_plan

    settings = load_settings()
    asyncio.run(set_tenant_plan(settings, owner_url(settings), tenant=name, plan=plan))
    console.print(f"Tenant {name} has the plan {plan}.")


@keys.command("create")
def create_key_command(
    tenant: Annotated[str, typer.Option(help="The tenant, by name.")],
    role: Annotated[Role, typer.Option(help="What the key may do.")] = "admin",
    name: Annotated[str, typer.Option(help="Who holds the key.")] = "command line",
    expires_in_days: Annotated[int | None, typer.Option(help="When the key ends; without it, never.")] = None,
    requests_per_second: PerSecond = None,
    requests_burst: Burst = None,
    requests_per_hour: PerHour = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a key for a new principal of a tenant; the key is shown this once."""
    # Imported here for the same reason.
    from mainstay.control.limits.models import Limits
    from mainstay.edge.maintain import create_key

    settings = load_settings()
    made = asyncio.run(
        create_key(
            settings,
            owner_url(settings),
            tenant=tenant,
            role=role,
            name=name,
            expires_in_days=expires_in_days,
            cap=Limits(requests_per_second, requests_burst, requests_per_hour),
        )
    )
    if as_json:
        print_json(
            {
                "id": encode_id("key_", made.id),
                "object": "api_key",
                "tenant": tenant,
                "role": made.role,
                "principal_id": encode_id("usr_", made.principal_id),
                "expires_at": made.expires_at.isoformat() if made.expires_at else None,
                "key": made.secret,
            }
        )
        return
    console.print(f"Key for the role {made.role} in {tenant}, shown this once:\n{made.secret}")


@operators.command("create")
def create_operator_command(
    name: str,
    expires_in_days: Annotated[int, typer.Option(min=1, max=365, help="When the key ends.")] = 30,
    as_json: JsonFlag = False,
) -> None:
    """Make an operator; what it reads of a tenant stands in that tenant's audit, and it changes nothing."""
    # Imported here for the same reason.
    from mainstay.edge.maintain import create_operator

    settings = load_settings()
    made = asyncio.run(create_operator(settings, owner_url(settings), name=name, lifetime_days=expires_in_days))
    operator_id = encode_id("usr_", made.id)
    if as_json:
        print_json({"id": operator_id, "object": "operator", "name": made.name, "key": made.secret})
        return
    console.print(
        f"Operator {made.name} ({operator_id})\nKey for {made.lifetime_days} days, shown this once;"
        f" send it with `Mainstay-Tenant: ten_…`:\n{made.secret}"
    )
