"""`mainstay keys list|revoke`, `principals list` and `groups …`: who belongs to the tenant of the caller's key."""

from typing import Annotated, Any

import typer

from mainstay.edge.cli.admin import keys
from mainstay.edge.cli.connection import connect
from mainstay.edge.cli.output import JsonFlag, console, day, print_json, print_table

Limit = Annotated[int, typer.Option(min=1, max=100, help="How many of the newest.")]

principals = typer.Typer(no_args_is_help=True, help="Show people and service accounts.")
groups = typer.Typer(no_args_is_help=True, help="Make groups, with which stores and documents are shared.")


@keys.command("list")
def list_keys(limit: Limit = 20, as_json: JsonFlag = False) -> None:
    """Show keys, newest first; their secrets are kept nowhere."""
    rows = _listed("/v1/keys", limit, as_json)
    if rows is not None:
        columns = ["id", "name", "principal", "scopes", "state", "ends"]
        print_table(columns, [_key(one) for one in rows])


@keys.command("revoke")
def revoke_key(key_id: str) -> None:
    """End a key; the next request with it is refused."""
    with connect() as client:
        client.call("DELETE", f"/v1/keys/{key_id}")
    console.print(f"{key_id} is revoked.")


@principals.command("list")
def list_principals(limit: Limit = 20, as_json: JsonFlag = False) -> None:
    """Show people and service accounts, newest first."""
    rows = _listed("/v1/principals", limit, as_json)
    if rows is not None:
        cells = [(one["id"], one["name"], one["kind"], one["role"], day(one["disabled_at"])) for one in rows]
        print_table(["id", "name", "kind", "role", "disabled"], cells)


@groups.command("create")
def create_group(name: str, as_json: JsonFlag = False) -> None:
    """Make a group."""
    with connect() as client:
        made = client.call("POST", "/v1/groups", json={"name": name})
    if as_json:
        print_json(made)
    else:
        console.print(f"Group {made['name']} ({made['id']})")


@groups.command("list")
def list_groups(limit: Limit = 20, as_json: JsonFlag = False) -> None:
    """Show groups, newest first."""
    rows = _listed("/v1/groups", limit, as_json)
    if rows is not None:
        print_table(["id", "name", "members"], [(one["id"], one["name"], one["member_count"]) for one in rows])


@groups.command("delete")
def delete_group(group_id: str) -> None:
    """Delete a group; what was shared with it alone is seen by its members no more."""
    with connect() as client:
        client.call("DELETE", f"/v1/groups/{group_id}")
    console.print(f"{group_id} is deleted.")


@groups.command("add")
def add_member(group_id: str, principal_id: str) -> None:
    """Put a principal into a group."""
    with connect() as client:
        client.call("POST", f"/v1/groups/{group_id}/members", json={"principal_id": principal_id})
    console.print(f"{principal_id} is in {group_id}.")


@groups.command("remove")
def remove_member(group_id: str, principal_id: str) -> None:
    """Take a principal out of a group."""
    with connect() as client:
        client.call("DELETE", f"/v1/groups/{group_id}/members/{principal_id}")
    console.print(f"{principal_id} is not in {group_id} any more.")


def _listed(path: str, limit: int, as_json: bool) -> list[dict[str, Any]] | None:
    """Return the rows of a list, or None where they were printed as JSON."""
    with connect() as client:
        found = client.call("GET", path, params={"limit": limit})
    if as_json:
        print_json(found)
        return None
    return found["data"]


def _key(one: dict[str, Any]) -> tuple[Any, ...]:
    scopes = ", ".join(one["scopes"]) if one["scopes"] else "all of the role"
    return (one["id"], one["name"], one["principal_id"], scopes, one["state"], day(one["expires_at"]))
