"""`mainstay up`, `down` and `status`."""

import asyncio
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mainstay.config import Settings, load_settings
from mainstay.edge.cli.output import JsonFlag, console, print_json, print_table

if TYPE_CHECKING:
    from mainstay.edge.up import UpSettings

HOME_DEFAULT = Path("~/.mainstay").expanduser()
Home = Annotated[Path | None, typer.Option(help="The folder of everything this machine keeps (MAINSTAY_HOME).")]
Port = Annotated[int | None, typer.Option(help="The port of the HTTP API and the page (MAINSTAY_PORT).")]


def up(
    home: Home = None,
    port: Port = None,
    database_url: Annotated[
        str | None, typer.Option(help="A PostgreSQL 15+ of your own with pgvector (DATABASE_URL).")
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return once it is ready, and leave it running.")] = False,
) -> None:
    """Start everything: PostgreSQL, the server and a worker. Ctrl-C stops it."""
    # Imported here, as below: `ask` and `search` must not wait for what only these commands need.
    from mainstay.edge.up import up as up_system

    settings = load_settings(home=home, port=port, database_url=database_url)
    raise typer.Exit(up_system(_up_settings(settings, detach=detach), _prepare))


async def _prepare(owner_url: str, app_url: str, home: Path) -> None:
    # Imported here so that PostgreSQL and the server load meanwhile.
    from mainstay.edge.maintain import prepare

    await prepare(owner_url, app_url, home)


def _up_settings(settings: Settings, *, detach: bool) -> "UpSettings":
    # Imported here for the same reason.
    from mainstay.edge.up import UpSettings

    given = settings.database_url.get_secret_value() if settings.database_url else None
    owner = settings.owner_database_url.get_secret_value() if settings.owner_database_url else None
    if given is not None:
        # Imported here because only a given database has a second role to find.
        from mainstay.edge.maintain import resolve_urls

        urls = asyncio.run(resolve_urls(given, owner, settings.home))
        given, owner = urls.app, urls.owner
    return UpSettings(
        home=settings.home,
        port=settings.port,
        host=settings.host,
        key_file=settings.key_file,
        scope_key_file=None if settings.scope_key else settings.scope_key_file,
        environment=dict(os.environ),
        database_url=given,
        owner_database_url=owner,
        detach=detach,
        home_is_default=settings.home == HOME_DEFAULT,
        tries=(
            'ask "How long is the warranty on a Plover 4?"',
            'search "battery life in winter"',
            "usage --by feature",
        ),
    )


def down(home: Home = None) -> None:
    """Stop everything that `mainstay up` started."""
    # Imported here for the same reason.
    from mainstay.edge.up import down as down_system

    raise typer.Exit(down_system(load_settings(home=home).home))


def status(home: Home = None, as_json: JsonFlag = False) -> None:
    """Show what runs; the exit code is 0 when the system is ready, else 1."""
    # Imported here for the same reason.
    from mainstay.edge.up import status as system_status

    found = system_status(load_settings(home=home).home)
    if as_json:
        print_json(asdict(found))
    else:
        state = "ready" if found.ready else "running, not ready" if found.running else "not running"
        console.print(f"Mainstay is {state}" + (f" at {found.address}" if found.address else ""))
        rows = [
            (one.name, one.pid, "running" if one.running else "restarting", one.restarts) for one in found.processes
        ]
        if rows:
            print_table(["process", "pid", "state", "restarts"], rows)
    raise typer.Exit(0 if found.ready else 1)
