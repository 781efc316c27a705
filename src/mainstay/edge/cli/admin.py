"""`mainstay tenants create`, `keys create`, `operators create`: maintenance as the schema's owner, on the machine."""

import asyncio
from typing import Annotated, Literal

import typer

from mainstay.config import Settings, load_settings
from mainstay.edge.cli.output import JsonFlag, console, print_json
from mainstay.kernel.ids import encode_id

# The roles of `control.access`, written out so that the command line starts without the packages of the server.
Role = Literal["owner", "admin", "reviewer", "engineer", "product", "customer", "service"]

tenants = typer.Typer(no_args_is_help=True, help="Make tenants.")
keys = typer.Typer(no_args_is_help=True, help="Make, show and revoke API keys.")
operators = typer.Typer(no_args_is_help=True, help="Make operators, who stand above the tenants and only read.")


@tenants.command("create")
def create_tenant_command(name: str, as_json: JsonFlag = False) -> None:
    """Make a tenant, with the key of its first owner, which is shown this once."""
    # Imported here, as below: `ask` and `search` must not wait for what only these commands need.
    from mainstay.edge.maintain import create_tenant

    made = asyncio.run(create_tenant(owner_url(load_settings()), name))
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


@keys.command("create")
def create_key_command(
    tenant: Annotated[str, typer.Option(help="The tenant, by name.")],
    role: Annotated[Role, typer.Option(help="What the key may do.")] = "admin",
    name: Annotated[str, typer.Option(help="Who holds the key.")] = "command line",
    expires_in_days: Annotated[int | None, typer.Option(help="When the key ends; without it, never.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a key for a new principal of a tenant; the key is shown this once."""
    # Imported here for the same reason.
    from mainstay.edge.maintain import create_key

    made = asyncio.run(
        create_key(owner_url(load_settings()), tenant=tenant, role=role, name=name, expires_in_days=expires_in_days)
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

    made = asyncio.run(create_operator(owner_url(load_settings()), name=name, lifetime_days=expires_in_days))
    operator_id = encode_id("usr_", made.id)
    if as_json:
        print_json({"id": operator_id, "object": "operator", "name": made.name, "key": made.secret})
        return
    console.print(
        f"Operator {made.name} ({operator_id})\nKey for {made.lifetime_days} days, shown this once;"
        f" send it with `Mainstay-Tenant: ten_…`:\n{made.secret}"
    )


def owner_url(settings: Settings) -> str:
    """Return the URL of the schema's owner, of the running system or of the database that was given."""
    # Imported here for the same reason.
    from mainstay.edge.maintain import embedded_owner_url, resolve_urls

    given = settings.database_url.get_secret_value() if settings.database_url else None
    if given is None:
        return embedded_owner_url(settings.home)
    owner = settings.owner_database_url.get_secret_value() if settings.owner_database_url else None
    return asyncio.run(resolve_urls(given, owner, settings.home)).owner
