"""The process behind `mainstay up`: it starts everything, keeps it running, and stops it in order."""

import asyncio
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from mainstay.edge.up.announce import ready_lines
from mainstay.edge.up.children import Child, RestartBudget, describe_exit, stop_children
from mainstay.edge.up.errors import (
    AlreadyRunning,
    ExitCode,
    NotReady,
    PortUnusable,
    PreparationFailed,
    ProcessFailed,
)
from mainstay.edge.up.leftovers import end_leftovers
from mainstay.edge.up.readiness import is_ready
from mainstay.edge.up.settings import Prepare, UpSettings
from mainstay.edge.up.state import HomePaths, RunState, load_state
from mainstay.edge.up.stopping import StopSignals
from mainstay.kernel.errors import MainstayError
from mainstay.platform.postgres.embedded import EmbeddedCluster, cluster_folder
from mainstay.platform.processes.account import unprivileged_account
from mainstay.platform.processes.deadline import Deadline, Interrupted
from mainstay.platform.processes.files import FileLock, make_folders, read_or_create_secret
from mainstay.platform.processes.identity import ProcessIdentity, identify
from mainstay.platform.processes.logfile import tail
from mainstay.platform.processes.ports import is_port_free

_TICK_S = 0.2
_START_TICK_S = 0.02
# Neither reaches a child: the owner's address opens everything, and the other may be an owner's too.
_OWNER_VARIABLES = ("DATABASE_URL", "MAINSTAY_OWNER_DATABASE_URL")


class Supervisor:
    """One run on one home, all of it in the main thread: nothing happens but between two looks at what has ended."""

    def __init__(self, settings: UpSettings, prepare: Prepare, say: Callable[[str], None]) -> None:
        self._settings = replace(settings, home=settings.home.resolve())
        self._prepare = prepare
        self._say = say
        self._paths = HomePaths(self._settings.home)
        self._lock = FileLock(self._paths.lock)
        self._stop = StopSignals()
        self._cluster: EmbeddedCluster | None = None
        self._cluster_budget = RestartBudget(settings.limits)
        self._children: list[Child] = []
        self._urls: tuple[str, str] | None = None
        self._started_at = datetime.now(UTC).isoformat()
        self._ready_at = ""

    def run(self) -> ExitCode:
        """Return when asked to stop, after everything has ended; raises MainstayError when something fails."""
        began_s = time.monotonic()
        umask = os.umask(0o077)  # What the children write into the home is nobody else's business.
        with self._stop:
            try:
                self._take_home()
                self._start_all()
                self._wait_ready(began_s)
                while True:
                    self._tick(_TICK_S)
            except Interrupted:
                return ExitCode.OK
            finally:
                self._stop_all()
                os.umask(umask)

    def _take_home(self) -> None:
        account = unprivileged_account()
        # As root, PostgreSQL's account must be able to pass through the home; the rooms in it are closed.
        self._paths.make(0o700 if account is None else 0o711)
        state = load_state(self._paths.state)
        if not self._lock.acquire():
            where = f" (pid {state.supervisor.pid}, {state.address})" if state else ""
            raise AlreadyRunning(
                f"Mainstay already runs on {self._settings.home}{where}:"
                " stop it with `mainstay down`, or choose another folder with --home."
            )
        if state is not None:
            end_leftovers(state)
        if self._settings.scope_key_file is not None:
            # Before any process starts: all of them sign and prove with the same one.
            make_folders(self._settings.scope_key_file.parent, 0o700)
            read_or_create_secret(self._settings.scope_key_file)
        _check_port(self._settings.host, self._settings.port)
        if self._settings.database_url is None:
            folder = cluster_folder(self._settings.home, account, self._settings.system_folder)
            self._cluster = EmbeddedCluster(folder)

    def _start_all(self) -> None:
        for name, command in (("server", self._settings.server_command), ("worker", self._settings.worker_command)):
            self._children.append(Child(name, command, self._paths.log(name), self._settings.limits))
        self._save_state()
        self._start_database()

    def _start_database(self) -> None:
        """Start the database; where its address is new, prepare it and (re)start the children with it."""
        owner_url, app_url = self._database_urls()
        if self._urls == (owner_url, app_url):
            return
        # Running children have an old address when another program took the port while PostgreSQL was down.
        stop_children(self._children, self._settings.limits.drain_s, self._stop.in_a_hurry)
        self._urls = (owner_url, app_url)
        # The server takes a second to load, in which the database is prepared: it serves once the schema is its own.
        # The worker comes last, so that it does not take a core from those that a person waits for.
        server, *others = self._children
        server.start(self._child_environment(app_url))
        asyncio.run(self._run_prepare(owner_url, app_url))
        for child in others:
            child.start(self._child_environment(app_url))
        self._save_state()

    def _child_environment(self, app_url: str) -> dict[str, str]:
        settings = self._settings
        inherited = {name: value for name, value in settings.environment.items() if name not in _OWNER_VARIABLES}
        return inherited | {
            "MAINSTAY_HOME": str(settings.home),
            "MAINSTAY_HOST": settings.host,
            "MAINSTAY_PORT": str(settings.port),
            "MAINSTAY_APP_DATABASE_URL": app_url,
            # The official builds of ONNX Runtime report to their maker unless they are told not to.
            "ORT_DISABLE_TELEMETRY": "1",
            # A log is read while it is written.
            "PYTHONUNBUFFERED": "1",
        }

    def _database_urls(self) -> tuple[str, str]:
        """Return the addresses with the owner's and the server's role, of a database that runs."""
        if self._cluster is not None:
            self._cluster.start(self._settings.limits.database_start_s, self._stop.requested)
            return self._cluster.owner_url, self._cluster.app_url
        app_url = self._settings.database_url or ""
        return self._settings.owner_database_url or app_url, app_url

    async def _run_prepare(self, owner_url: str, app_url: str) -> None:
        task = asyncio.ensure_future(self._prepare(owner_url, app_url, self._settings.home))
        deadline = Deadline(self._settings.limits.prepare_s)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=_START_TICK_S)
                if self._stop.requested():
                    raise Interrupted
                if deadline.left_s() == 0.0:
                    raise PreparationFailed(f"Preparing the database took more than {deadline.seconds:g} s.")
            task.result()
        except (PreparationFailed, Interrupted):
            raise
        except MainstayError as error:
            raise PreparationFailed(error.message) from error
        except Exception as error:
            with self._paths.log("up").open("a", encoding="utf-8") as log:
                traceback.print_exc(file=log)
            raise PreparationFailed(
                f"Preparing the database failed: {type(error).__name__}: {error} (more in {self._paths.log('up')})."
            ) from error
        finally:
            task.cancel()

    def _wait_ready(self, began_s: float) -> None:
        settings = self._settings
        deadline = Deadline(settings.limits.ready_s)
        while not is_ready(settings.reachable_host, settings.port):
            if deadline.left_s() == 0.0:
                log = self._paths.log("server")
                raise NotReady(
                    f"The server at {settings.address} was not ready after {deadline.seconds:g} s; its last words in"
                    f" {log}:\n{tail(log)}"
                )
            self._tick(_START_TICK_S)
        self._ready_at = datetime.now(UTC).isoformat()
        self._save_state()
        for line in ready_lines(settings, time.monotonic() - began_s):
            self._say(line)

    def _tick(self, pause_s: float) -> None:
        """Sleep a moment and put right what has ended; raises Interrupted when asked to stop."""
        time.sleep(pause_s)
        if self._stop.requested():
            raise Interrupted
        limits = self._settings.limits
        # What does not even start once will hardly do so later, and its reason should be read soon.
        restarts_max = limits.restarts_per_minute_max if self._ready_at else limits.restarts_before_ready_max
        now_s = time.monotonic()
        if self._cluster is not None:
            self._cluster.limit_log()
            if not self._cluster.is_running():
                self._restart_database(self._cluster, self._cluster_budget.delay_s(now_s, restarts_max))
        changes = [line for child in self._children if (line := child.tick(now_s, restarts_max))]
        for line in changes:
            self._say(line)
        if changes:
            self._save_state()

    def _restart_database(self, cluster: EmbeddedCluster, delay_s: float | None) -> None:
        """Start PostgreSQL again; the children live on and connect again, unless its address is another."""
        how = describe_exit(cluster.exit_status())
        if delay_s is None:
            raise ProcessFailed(
                f"PostgreSQL ended again ({how}), so everything was stopped; its last words in {cluster.log}:\n"
                f"{tail(cluster.log)}"
            )
        self._say(f"PostgreSQL ended unexpectedly ({how}); see {cluster.log}.")
        time.sleep(delay_s)
        self._start_database()
        self._say("PostgreSQL was started again.")

    def _stop_all(self) -> None:
        if self._children:
            self._say("Stopping; a second Ctrl-C stops at once.")
        stop_children(self._children, self._settings.limits.drain_s, self._stop.in_a_hurry)
        if self._cluster is not None:
            self._cluster.stop(self._settings.limits.database_stop_s)
        if self._lock.is_held:
            self._paths.state.unlink(missing_ok=True)
            self._lock.release()

    def _save_state(self) -> None:
        cluster = self._cluster
        RunState(
            address=self._settings.address,
            host=self._settings.reachable_host,
            port=self._settings.port,
            started_at=self._started_at,
            ready_at=self._ready_at,
            database_kind="given" if cluster is None else "embedded",
            database_folder="" if cluster is None else str(cluster.folder),
            supervisor=_ourselves(),
            children=tuple(child.state() for child in self._children),
        ).save(self._paths.state)


def _check_port(host: str, port: int) -> None:
    try:
        is_free = is_port_free(host, port)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        sentence = f"Mainstay cannot listen on {host}:{port} ({reason}): choose another with --port."
        raise PortUnusable(sentence) from error
    if not is_free:
        raise PortUnusable(f"Port {port} on {host} is in use by another program: choose another with --port.")


def _ourselves() -> ProcessIdentity:
    found = identify(os.getpid())
    if found is None:
        raise RuntimeError(f"process {os.getpid()}, which is this one, is not in the system's list of processes")
    return found
