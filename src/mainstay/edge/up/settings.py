"""What `up` needs to know, as plain values; who reads them from the environment is `config`."""

import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mainstay.platform.postgres.embedded import SYSTEM_FOLDER

Prepare = Callable[[str, str, Path], Awaitable[object]]
"""`await prepare(owner_url, app_url, home)` migrates the database and loads what a new one needs.

A MainstayError that it raises is shown as its sentence; it is cancelled when we are asked to stop.
"""


@dataclass(frozen=True, slots=True)
class UpLimits:
    """How long and how often; the defaults are those of the product."""

    database_start_s: float = 60.0
    database_stop_s: float = 30.0
    prepare_s: float = 900.0
    ready_s: float = 180.0
    drain_s: float = 30.0
    restarts_before_ready_max: int = 1
    restarts_per_minute_max: int = 5
    restart_delay_first_s: float = 0.1
    restart_delay_max_s: float = 5.0


def _module_command(module: str) -> tuple[str, ...]:
    # -P: a file of the folder that one happens to stand in must never be imported for one of ours.
    return (sys.executable, "-P", "-m", module)


def _own_command() -> tuple[str, ...]:
    arguments = (argument for argument in sys.orig_argv[1:] if argument != "--detach")
    return (sys.executable, *arguments)


@dataclass(frozen=True, slots=True)
class UpSettings:
    """One run of the system.

    `database_url` is the address of a given database with the role of the server and worker, `owner_database_url` the
    one with the role that owns the schema, if that is another; without the first, we run a PostgreSQL of our own.
    `scope_key_file` is where the key that signs scopes is kept, and made when missing; None where one is given.
    `environment` is what the children inherit (and what is searched for `PATH` and `OPENAI_API_KEY`). `tries` are the
    arguments of `mainstay` in the commands that are printed to be typed; `home_is_default` leaves the home out of
    them. `foreground_command` is what `detach` runs in the background: this same command without `--detach`.
    """

    home: Path
    port: int
    key_file: Path
    environment: Mapping[str, str]
    scope_key_file: Path | None = None
    host: str = "127.0.0.1"
    database_url: str | None = None
    owner_database_url: str | None = None
    detach: bool = False
    home_is_default: bool = False
    tries: tuple[str, ...] = ('ask "What can I ask you?"', "ingest PATH", "status")
    server_command: tuple[str, ...] = field(default_factory=lambda: _module_command("mainstay.edge.server"))
    worker_command: tuple[str, ...] = field(default_factory=lambda: _module_command("mainstay.edge.worker"))
    foreground_command: tuple[str, ...] = field(default_factory=_own_command)
    system_folder: Path = SYSTEM_FOLDER
    limits: UpLimits = UpLimits()

    @property
    def address(self) -> str:
        """The base address of the HTTP API for people and programs of this machine."""
        host = self.reachable_host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def reachable_host(self) -> str:
        """The host to connect to; a server that listens everywhere is reached on loopback."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
