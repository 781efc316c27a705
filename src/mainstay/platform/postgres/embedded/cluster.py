"""One PostgreSQL cluster in a folder, started, watched and stopped by us."""

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from mainstay.platform.postgres.embedded.binaries import Binaries, copy_binaries, find_binaries
from mainstay.platform.postgres.embedded.configuration import ACCESS_RULES, HOST, configuration
from mainstay.platform.postgres.embedded.errors import ClusterBusy, ClusterFailed
from mainstay.platform.postgres.embedded.provision import (
    APP_ROLE,
    DATABASE,
    OWNER_ROLE,
    SERVER_ENVIRONMENT,
    SUPERUSER,
    ClusterPaths,
    Provisioner,
)
from mainstay.platform.processes.account import Account, unprivileged_account
from mainstay.platform.processes.child import ChildOptions, ChildProcess
from mainstay.platform.processes.deadline import Deadline
from mainstay.platform.processes.files import FileLock, make_folders, write_private
from mainstay.platform.processes.identity import ProcessIdentity, end, find_processes
from mainstay.platform.processes.logfile import limit_log, tail
from mainstay.platform.processes.ports import is_port_free, pick_port

__all__ = ["APP_ROLE", "DATABASE", "OWNER_ROLE", "SUPERUSER", "EmbeddedCluster"]

_PORT_ATTEMPTS_MAX = 5
_IMMEDIATE_STOP_S = 5.0
_KILL_WAIT_S = 5.0
_MEMORY_WAIT_S = 0.1
# PostgreSQL's names for its signals: SIGINT ends sessions and shuts down clean, SIGQUIT leaves recovery to the next
# start. SIGKILL comes last, since it leaves sessions behind.
_FAST, _IMMEDIATE = signal.SIGINT, signal.SIGQUIT
# Sessions of a killed server still hold its memory.
_MEMORY_IN_USE = "pre-existing shared memory block"


def _never() -> bool:
    return False


class EmbeddedCluster:
    """A PostgreSQL server of our own on 127.0.0.1, with the database `mainstay` and its two roles.

    `folder` is made where missing; as root it must be one that the account `nobody` can enter (see
    `cluster_folder`). `settings` are added to postgresql.conf. The server dies with the thread that called
    `start` (on Linux; elsewhere with the process), so start it from one that stays, such as the main thread.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self._paths = ClusterPaths(folder.resolve())
        self._settings = dict(settings or {})
        self._lock = FileLock(self._paths.folder / "lock")
        self._server: ChildProcess | None = None
        self._port: int | None = None

    @property
    def folder(self) -> Path:
        """The folder of the cluster."""
        return self._paths.folder

    @property
    def log(self) -> Path:
        """The file in which PostgreSQL logs."""
        return self._paths.log

    @property
    def server(self) -> ProcessIdentity | None:
        """The postmaster while it runs."""
        return self._server.identity if self._server is not None and self.is_running() else None

    @property
    def owner_url(self) -> str:
        """The address with the role that owns the schema: for migrations and maintenance alone."""
        return self.url(OWNER_ROLE, self._paths.password(OWNER_ROLE), DATABASE)

    @property
    def app_url(self) -> str:
        """The address with the role of the server and the worker, which owns nothing."""
        return self.url(APP_ROLE, self._paths.password(APP_ROLE), DATABASE)

    @property
    def superuser_url(self) -> str:
        """The address with the superuser, for tests and repairs; the product never uses it."""
        return self.url(SUPERUSER, self._paths.password(SUPERUSER), DATABASE)

    def url(self, role: str, password: str, database: str) -> str:
        """Return a `postgresql://` address of the running cluster."""
        if self._port is None:
            raise ClusterFailed(f"The PostgreSQL in {self.folder} has not been started, so it has no address yet.")
        return f"postgresql://{quote(role)}:{quote(password, safe='')}@{HOST}:{self._port}/{quote(database)}"

    def is_running(self) -> bool:
        """Tell whether the server that this object started still runs."""
        return self._server is not None and self._server.poll() is None

    def attach(self) -> bool:
        """Take the address of the server that another process runs on this folder; False where none runs."""
        remembered = _read_lines(self._paths.folder / "port")
        if not remembered or not remembered[0].isdigit() or not self.processes():
            return False
        self._port = int(remembered[0])
        return True

    def exit_status(self) -> int | None:
        """Return how the server ended (negative: by that signal), None while it runs or when it was stopped."""
        return None if self._server is None else self._server.poll()

    def start(self, deadline_s: float, interrupted: Callable[[], bool] = _never) -> None:
        """Return when the server accepts connections; make or recover the cluster first, as needed.

        Raises ClusterBusy when another live process has it, ClusterFailed with PostgreSQL's last words when it
        cannot be started within `deadline_s`, and Interrupted soon after `interrupted` returns True.
        """
        if self.is_running():
            return
        deadline = Deadline(deadline_s, interrupted)
        account = self._usable_account()
        self._make_folder(account)
        if not self._lock.acquire():
            raise ClusterBusy(f"Another process runs the PostgreSQL in {self.folder}: stop that one first.")
        try:
            self._start_locked(account, deadline)
        except BaseException:
            self.stop(_IMMEDIATE_STOP_S)
            raise

    def stop(self, deadline_s: float) -> None:
        """Stop the server: clean within `deadline_s`, by force after that; nothing happens when none runs."""
        if self._server is not None:
            for number, wait_s in ((_FAST, deadline_s), (_IMMEDIATE, _IMMEDIATE_STOP_S)):
                self._server.send_signal(number)
                if self._server.wait(wait_s) is not None:
                    break
            else:
                self._server.kill()
                self._server.wait(_KILL_WAIT_S)
            self._server = None
        self._lock.release()

    def stop_leftovers(self, deadline_s: float) -> None:
        """Stop what an earlier, killed supervisor left running in this cluster; never what a live one runs."""
        if not self._paths.data.is_dir() or not self._lock.acquire():
            return
        try:
            self._end_leftovers(deadline_s)
        finally:
            self._lock.release()

    def processes(self) -> list[ProcessIdentity]:
        """Return all live processes of this cluster, whoever started them."""
        server, title = f" -D {self._paths.data} ", f"postgres: {self._paths.cluster_name}: "
        return find_processes(lambda line: server in line or line.startswith(title))

    def limit_log(self) -> None:
        """Keep the log below its size; to be called now and then."""
        limit_log(self._paths.log)

    def _start_locked(self, account: Account | None, deadline: Deadline) -> None:
        binaries = find_binaries()
        self._end_leftovers(deadline.left_s())
        if account is not None:
            binaries = copy_binaries(binaries, self._paths.folder / "software")
        self.limit_log()
        try:
            Provisioner(self._paths, binaries, account, deadline).provision()
            self._write_configuration()
            self._start_server(binaries, account, deadline)
        except TimeoutError as error:
            raise ClusterFailed(
                f"PostgreSQL in {self.folder} was not ready in time ({error}); its last words in"
                f" {self._paths.log}:\n{tail(self._paths.log)}"
            ) from error

    def _start_server(self, binaries: Binaries, account: Account | None, deadline: Deadline) -> None:
        attempts = 0
        while True:
            self._port = self._choose_port()
            mark = self._paths.log.stat().st_size
            self._server = self._launch(binaries, account, self._port)
            if self._wait_ready(self._server, deadline):
                write_private(self._paths.folder / "port", f"{self._port}\n")
                return
            words = tail(self._paths.log, from_byte=mark)
            if _MEMORY_IN_USE in words:
                # Sessions that outlived a killed server and that we may not see end by themselves.
                deadline.pause("the sessions of an earlier server to end", _MEMORY_WAIT_S)
                continue
            attempts += 1
            was_overtaken = not is_port_free(HOST, self._port)
            if not was_overtaken or attempts == _PORT_ATTEMPTS_MAX:
                raise ClusterFailed(
                    f"PostgreSQL in {self.folder} did not start; its last words in {self._paths.log}:\n{words}"
                )

    def _launch(self, binaries: Binaries, account: Account | None, port: int) -> ChildProcess:
        folder, data = self._paths.folder, self._paths.data
        command = [
            *(str(binaries.program("postgres")), "-D", str(data), "-p", str(port)),
            *("-c", f"config_file={folder / 'postgresql.conf'}", "-c", f"hba_file={folder / 'pg_hba.conf'}"),
        ]
        options = ChildOptions(
            log=self._paths.log,
            folder=folder,
            death_signal=_FAST,
            environment=SERVER_ENVIRONMENT,
            account=account,
        )
        return ChildProcess(command, options)

    def _wait_ready(self, server: ChildProcess, deadline: Deadline) -> bool:
        """Wait until the server says so in its pid file, as pg_ctl does; False when it ended instead."""
        while server.poll() is None:
            lines = _read_lines(self._paths.data / "postmaster.pid")
            # Line 1 is the pid and line 8 the state; an older file may still lie there for a moment.
            if len(lines) >= 8 and lines[0] == str(server.pid) and lines[7].strip() == "ready":
                return True
            deadline.pause("PostgreSQL to accept connections")
        return False

    def _choose_port(self) -> int:
        remembered = _read_lines(self._paths.folder / "port")
        if remembered and remembered[0].isdigit() and is_port_free(HOST, int(remembered[0])):
            return int(remembered[0])
        return pick_port(HOST)

    def _end_leftovers(self, deadline_s: float) -> None:
        """End servers and sessions without a supervisor, then remove the pid file that they leave.

        PostgreSQL takes any live process of the same user with the pid of an old file for itself, and would refuse
        to start after a reboot; we have looked at what the processes are, and its lock on memory still protects.
        """
        steps = ((_FAST, deadline_s / 2), (_IMMEDIATE, _IMMEDIATE_STOP_S), (signal.SIGKILL, _KILL_WAIT_S))
        lines = _read_lines(self._paths.data / "postmaster.pid")
        for process in self.processes():
            if lines and lines[0] == str(process.pid):
                end(process, steps)
        for process in self.processes():
            end(process, steps[-1:])
        if self.processes():
            raise ClusterFailed(
                f"The old PostgreSQL in {self.folder} cannot be stopped (pid {lines[0]}): end it first."
            )
        (self._paths.data / "postmaster.pid").unlink(missing_ok=True)

    def _write_configuration(self) -> None:
        for name, text in (
            ("postgresql.conf", configuration(self._paths.cluster_name, self._settings)),
            ("pg_hba.conf", ACCESS_RULES),
        ):
            draft = self._paths.folder / f"{name}.new"
            draft.write_text(text, encoding="utf-8")
            draft.chmod(0o644)  # Read by the account that runs the server; no secret stands in it.
            draft.replace(self._paths.folder / name)

    def _make_folder(self, account: Account | None) -> None:
        folder = self._paths.folder
        try:
            make_folders(folder, 0o700 if account is None else 0o711)
            self._paths.secrets.mkdir(mode=0o700, exist_ok=True)
            if account is not None:
                (folder / "software").mkdir(exist_ok=True)
                (folder / "software").chmod(0o755)
        except OSError as error:
            raise ClusterFailed(f"Cannot make the folder of the database {folder}: {error.strerror}.") from error
        if account is not None and not account.can_enter(folder):
            raise ClusterFailed(
                f"PostgreSQL runs as the account {account.name!r}, which cannot enter {folder}:"
                " choose a home that others may pass through."
            )

    def _usable_account(self) -> Account | None:
        account = unprivileged_account()
        if account is not None and not account.can_be_used():
            raise ClusterFailed(
                f"PostgreSQL does not run as root, and this root may not start it as {account.name!r} (a container"
                " with a single user?): start Mainstay as an ordinary user, or give a database with --database-url."
            )
        return account


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
