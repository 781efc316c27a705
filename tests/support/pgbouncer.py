"""PgBouncer in transaction mode before the test's PostgreSQL, where it is installed (Debian: pgbouncer)."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mainstay.platform.processes.account import unprivileged_account
from mainstay.platform.processes.ports import is_port_free, pick_port

HOST = "127.0.0.1"
_START_DEADLINE_S = 10.0


def find_pgbouncer() -> str | None:
    """Return the program, or None where there is none."""
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


@contextmanager
def pgbouncer(program: str, url: str, *, sessions_max: int) -> Iterator[str]:
    """Run a pooler with `sessions_max` sessions of PostgreSQL, and return the address of `url` through it."""
    parts, port = urlsplit(url), pick_port(HOST)
    folder = Path(tempfile.mkdtemp(prefix="mainstay-pgbouncer-", dir="/tmp"))
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    (folder / "users.txt").write_text(f'"{user}" "{password}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={parts.hostname} port={parts.port}\n"
        f"[pgbouncer]\nlisten_addr = {HOST}\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = plain\nauth_file = {folder}/users.txt\npool_mode = transaction\n"
        f"default_pool_size = {sessions_max}\nmax_client_conn = 200\nlogfile = {folder}/log\npidfile =\n"
    )
    account = unprivileged_account()
    command = [program, "-q", str(folder / "pgbouncer.ini")]
    if account is not None:
        # It refuses to run as root.
        for path in (folder, *folder.iterdir()):
            os.chown(path, account.uid, account.gid)
        process = subprocess.Popen(command, user=account.uid, group=account.gid, extra_groups=[])
    else:
        process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + _START_DEADLINE_S
        while is_port_free(HOST, port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"pgbouncer did not start: {(folder / 'log').read_text()[-500:]}")
            time.sleep(0.02)
        yield parts._replace(netloc=f"{user}:{password}@{HOST}:{port}").geturl()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)
