import os
import signal
import socket
import stat
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from mainstay.edge.up import ExitCode, UpLimits, down, status
from mainstay.edge.up.errors import HomeUnusable
from mainstay.edge.up.state import ChildState, HomePaths, load_state
from mainstay.platform.postgres.embedded import EmbeddedCluster
from mainstay.platform.processes.identity import ProcessIdentity, identify, is_alive
from tests.edge.up.conftest import Run


def _postgres(run: Run) -> list[int]:
    return [process.pid for process in EmbeddedCluster(run.home / "postgres").processes()]


def _postmaster(run: Run) -> int:
    return int((run.home / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])


def _kill(pids: list[int]) -> int:
    """Kill them; return how many were still there, for the first may take others along."""
    killed = 0
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            killed += 1
    return killed


def _assert_nothing_left(run: Run, pids: list[int]) -> None:
    assert [pid for pid in pids if identify(pid)] == []
    assert _postgres(run) == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", run.port)) != 0


def test_up_new_home_runs_everything_and_sigterm_stops_it(new_run: Run) -> None:
    printed = new_run.start_until_ready()
    found = new_run.status()
    assert (found.running, found.ready, found.address) == (True, True, f"http://127.0.0.1:{new_run.port}")
    assert found.address in printed
    assert found.database is not None
    assert found.database.kind == "embedded"
    assert [(process.name, process.running, process.restarts) for process in found.processes] == [
        ("server", True, 0),
        ("worker", True, 0),
    ]
    assert new_run.get("/runs") == 1
    pids = [found.supervisor_pid or 0, *new_run.pids().values(), _postmaster(new_run)]
    code, _, errors = new_run.stop()
    assert (code, errors) == (0, "")
    _assert_nothing_left(new_run, pids)
    assert "drained" in (new_run.home / "logs" / "server.log").read_text()
    assert "handed back" in (new_run.home / "logs" / "worker.log").read_text()
    assert "database system is shut down" in (new_run.home / "postgres" / "postgres.log").read_text()
    assert not new_run.status().running


def test_up_second_start_is_quick_and_keeps_the_data(run: Run) -> None:
    began_s = time.monotonic()
    run.start_until_ready()
    print(f"second start with stand-ins: {time.monotonic() - began_s:.2f} s from nothing to /readyz")
    assert run.get("/runs") == 2


def test_up_children_get_the_servers_address_and_never_the_owners(run: Run) -> None:
    run.environment = {
        "MAINSTAY_OWNER_DATABASE_URL": "postgresql://owner:secret@127.0.0.1/x",
        "DATABASE_URL": "postgresql://owner:secret@127.0.0.1/x",
        "STANDIN_KEPT": "yes",
    }
    run.start_until_ready()
    got = run.get("/environment")
    assert isinstance(got, dict)
    assert set(got) == {"MAINSTAY_HOME", "MAINSTAY_HOST", "MAINSTAY_PORT", "MAINSTAY_APP_DATABASE_URL", "STANDIN_KEPT"}
    assert got["MAINSTAY_HOME"] == str(run.home)
    assert got["MAINSTAY_PORT"] == str(run.port)
    assert "//mainstay_app:" in got["MAINSTAY_APP_DATABASE_URL"]


def test_up_files_of_the_run_are_private(run: Run) -> None:
    run.start_until_ready()
    for path in [*(run.home / "logs").iterdir(), *(run.home / "run").iterdir()]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert stat.S_IMODE((run.home / "logs").stat().st_mode) == 0o700
    assert stat.S_IMODE(run.home.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)


def test_up_closed_home_keeps_its_database_in_the_system_folder(new_run: Run) -> None:
    new_run.home.mkdir(mode=0o700)
    new_run.start_until_ready()
    found = new_run.status().database
    assert found is not None
    expected = new_run.folder / "system" if os.geteuid() == 0 else new_run.home
    assert Path(found.folder).parent == expected
    assert stat.S_IMODE(new_run.home.stat().st_mode) == 0o700
    assert new_run.stop()[0] == 0
    new_run.start_until_ready()
    assert new_run.get("/runs") == 2


def test_up_twice_on_one_home_is_one_sentence(run: Run) -> None:
    run.start_until_ready()
    second = Run(run.folder)
    second.start()
    code, output, errors = second.end()
    assert (code, output) == (ExitCode.ALREADY_RUNNING, "")
    assert errors.startswith(f"Mainstay already runs on {run.home} (pid ")
    assert f"http://127.0.0.1:{run.port}" in errors
    assert len(errors.splitlines()) == 1
    assert run.status().ready


def test_up_port_in_use_is_one_sentence_before_anything_starts(new_run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", new_run.port))
        taken.listen()
        new_run.start()
        code, output, errors = new_run.end()
    assert (code, output) == (ExitCode.PORT_UNUSABLE, "")
    assert f"Port {new_run.port} " in errors
    assert "--port" in errors
    assert len(errors.splitlines()) == 1
    assert not (new_run.home / "postgres").exists()


@pytest.mark.parametrize("host", ["192.0.2.1", "not a host"])
def test_up_host_that_is_not_ours_is_one_sentence(new_run: Run, host: str) -> None:
    new_run.settings = {"host": host}
    new_run.start()
    code, _, errors = new_run.end()
    assert code == ExitCode.PORT_UNUSABLE
    assert errors.startswith(f"Mainstay cannot listen on {host}:{new_run.port}")
    assert len(errors.splitlines()) == 1


def test_up_home_that_cannot_be_written_is_one_sentence(new_run: Run) -> None:
    new_run.home.write_text("a file")
    new_run.start()
    code, _, errors = new_run.end()
    assert code == ExitCode.HOME_UNUSABLE
    assert errors.startswith(f"Mainstay cannot write in {new_run.home} (")
    assert "--home" in errors
    assert len(errors.splitlines()) == 1


def test_up_preparation_refused_shows_its_sentence_and_stops(run: Run) -> None:
    run.environment = {"STANDIN_PREPARE_FAILS": "1"}
    run.start()
    code, _, errors = run.end()
    assert code == ExitCode.PREPARATION_FAILED
    assert errors == "The database has no extension vector: install pgvector 0.8.\n"
    _assert_nothing_left(run, [])


def test_up_preparation_too_slow_is_one_sentence(run: Run) -> None:
    run.environment = {"STANDIN_PREPARE_HANGS": "1"}
    run.settings = {"limits": {"prepare_s": 0.1}}
    run.start()
    code, _, errors = run.end()
    assert code == ExitCode.PREPARATION_FAILED
    assert errors == "Preparing the database took more than 0.1 s.\n"


def test_up_stopped_while_preparing_ends_in_order(run: Run) -> None:
    run.environment = {"STANDIN_PREPARE_HANGS": "1"}
    run.start()
    run.wait_until((run.home / "postgres" / "data" / "postmaster.pid").exists, "PostgreSQL to run")
    code, _, errors = run.stop()
    assert (code, errors) == (0, "")
    _assert_nothing_left(run, [])


def test_up_child_that_keeps_failing_stops_everything_with_its_last_words(run: Run) -> None:
    run.environment = {"STANDIN_WORKER_FAILS": "1"}
    run.settings = {"limits": {"restart_delay_first_s": 0.01, "restarts_per_minute_max": 3}}
    run.start()
    code, output, errors = run.end()
    assert code == ExitCode.PROCESS_FAILED
    assert output.count("The worker was started again.") == 3
    assert errors.startswith("The worker ended 4 times within a minute, last exit status 7")
    assert errors.endswith("the worker cannot work\n")
    _assert_nothing_left(run, [])


def test_up_server_that_is_never_ready_stops_everything(run: Run) -> None:
    run.settings = {"limits": {"ready_s": 0.0}}
    run.start()
    code, _, errors = run.end()
    assert code == ExitCode.NOT_READY
    assert "was not ready after 0 s" in errors
    _assert_nothing_left(run, [])


def test_up_server_that_does_not_drain_is_killed(run: Run) -> None:
    run.environment = {"STANDIN_DEAF": "1"}
    run.settings = {"limits": {"drain_s": 0.2}}
    run.start_until_ready()
    pids = list(run.pids().values())
    code, _, _ = run.stop()
    assert code == 0
    _assert_nothing_left(run, pids)


def test_up_second_signal_does_not_wait_for_the_drain(run: Run) -> None:
    run.environment = {"STANDIN_DEAF": "1"}
    run.start_until_ready()
    pids = run.pids()
    worker = identify(pids["worker"])
    assert worker is not None
    assert run.process is not None
    run.process.send_signal(signal.SIGINT)
    run.wait_until(lambda: not is_alive(worker), "the worker to finish")
    run.process.send_signal(signal.SIGINT)
    code, _, _ = run.end(timeout_s=20)
    assert code == 0
    _assert_nothing_left(run, list(pids.values()))


def test_up_killed_child_is_started_again(run: Run) -> None:
    run.start_until_ready()
    before = run.pids()
    os.kill(before["worker"], signal.SIGKILL)
    run.wait_until(lambda: run.pids()["worker"] not in (before["worker"], 0), "a new worker")
    assert run.pids()["server"] == before["server"]
    assert [process.restarts for process in run.status().processes] == [0, 1]
    _, output, _ = run.stop()
    assert "The worker ended unexpectedly (killed by SIGKILL)" in output
    assert "The worker was started again." in output


def test_up_killed_postgres_is_started_again_under_the_same_children(run: Run) -> None:
    run.start_until_ready()
    before, postmaster = run.pids(), _postmaster(run)
    os.kill(postmaster, signal.SIGKILL)
    run.wait_until(lambda: _postmaster(run) != postmaster and run.get("/runs") == 2, "PostgreSQL to serve again")
    assert run.pids() == before
    _, output, _ = run.stop()
    assert "PostgreSQL ended unexpectedly (killed by SIGKILL)" in output
    assert "PostgreSQL was started again." in output


def test_up_killed_postgres_whose_port_was_taken_moves_with_the_children(run: Run) -> None:
    run.start_until_ready()
    before, postmaster = run.pids(), _postmaster(run)
    port = int((run.home / "postgres" / "port").read_text())
    supervisor = run.status().supervisor_pid
    assert supervisor is not None
    os.kill(supervisor, signal.SIGSTOP)
    os.kill(postmaster, signal.SIGKILL)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        run.wait_until(lambda: taken.bind(("127.0.0.1", port)) is None, "the port to be free")
        taken.listen()
        os.kill(supervisor, signal.SIGCONT)
        run.wait_until(lambda: run.pids()["server"] != before["server"] and run.get("/runs") == 3, "the new address")
        assert int((run.home / "postgres" / "port").read_text()) != port


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere children watch their parent themselves")
def test_up_killed_supervisor_takes_everything_along_and_the_next_one_recovers(run: Run) -> None:
    run.start_until_ready()
    pids = [*run.pids().values(), *_postgres(run)]
    assert run.process is not None
    run.process.kill()
    run.end()
    run.wait_until(lambda: not any(identify(pid) for pid in pids), "the children to end")
    assert not run.status().running
    run.start_until_ready()
    assert run.get("/runs") == 3


def test_up_after_kill_of_all_processes_recovers(run: Run) -> None:
    run.start_until_ready()
    assert run.process is not None
    _kill([run.process.pid, *run.pids().values(), *_postgres(run)])
    run.end()
    run.start_until_ready()
    assert run.get("/runs") == 3


def test_up_restart_with_another_port_serves_there(run: Run) -> None:
    run.start_until_ready()
    assert run.stop()[0] == 0
    again = Run(run.folder)
    again.start_until_ready()
    try:
        assert again.port != run.port
        assert again.get("/runs") == 3
    finally:
        again.stop()


def test_up_given_database_starts_none(run: Run) -> None:
    run.start_until_ready()
    environment = run.get("/environment")
    assert isinstance(environment, dict)
    app_url = environment["MAINSTAY_APP_DATABASE_URL"]
    owner = (run.home / "postgres" / "secrets" / "mainstay_owner").read_text().strip()
    port = (run.home / "postgres" / "port").read_text().strip()
    given = Run(run.folder / "second")
    given.folder.mkdir()
    given.settings = {
        "database_url": app_url,
        "owner_database_url": f"postgresql://mainstay_owner:{owner}@127.0.0.1:{port}/mainstay",
    }
    given.start_until_ready()
    try:
        assert given.get("/runs") == 3
        found = given.status().database
        assert found is not None
        assert (found.kind, found.folder) == ("given", "")
        assert not (given.home / "postgres").exists()
    finally:
        given.stop()


def test_detach_returns_when_ready_and_down_stops_it(run: Run) -> None:
    run.start("--detach")
    code, output, errors = run.end()
    assert (code, errors) == (0, "")
    assert f"Mainstay is ready at http://127.0.0.1:{run.port}" in output
    found = run.status()
    assert found.ready
    pids = [found.supervisor_pid or 0, *run.pids().values()]
    assert all(identify(pid) for pid in pids)
    assert down(run.home) == ExitCode.OK
    _assert_nothing_left(run, pids)
    assert down(run.home) == ExitCode.OK


def test_detach_failure_prints_the_reason(run: Run) -> None:
    run.environment = {"STANDIN_PREPARE_FAILS": "1"}
    run.start("--detach")
    code, output, _ = run.end()
    assert code == ExitCode.PREPARATION_FAILED
    assert "The database has no extension vector" in output


def test_down_kills_a_supervisor_that_does_not_listen(run: Run) -> None:
    run.start_until_ready()
    pids = list(run.pids().values())
    assert run.process is not None
    run.process.send_signal(signal.SIGSTOP)
    assert down(run.home, UpLimits(drain_s=-9.9, database_stop_s=0)) == ExitCode.OK
    run.end()
    _assert_nothing_left(run, pids)


def test_down_never_signals_a_process_that_took_the_pid(run: Run) -> None:
    run.start_until_ready()
    path = HomePaths(run.home).state
    state = load_state(path)
    assert state is not None
    run.stop()
    # The state of a crash whose pids now belong to others: here to this very test.
    reused = ProcessIdentity(os.getpid(), state.supervisor.started)
    replace(state, supervisor=reused, children=(ChildState("server", reused, 0),)).save(path)
    assert down(run.home) == ExitCode.OK
    run.start_until_ready()


def test_status_home_without_a_run_says_nothing_runs(tmp_path: Path) -> None:
    found = status(tmp_path / "none")
    assert (found.running, found.ready, found.processes) == (False, False, ())
    assert not (tmp_path / "none").exists()


def test_status_state_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "run" / "state.json").mkdir(parents=True)
    with pytest.raises(HomeUnusable, match="run this as the user who started Mainstay"):
        status(tmp_path)
    assert down(tmp_path) == ExitCode.HOME_UNUSABLE


@pytest.mark.deep
def test_kill_storm_every_process_many_times_loses_nothing(run: Run) -> None:
    """Kill each kind of process and all together, in turn; each start finds all earlier rows."""
    kills = 0
    for round_number in range(12):
        run.start_until_ready()
        rows = round_number + 2
        assert run.get("/runs") == rows
        victims = {
            0: [run.pids()["server"]],
            1: [run.pids()["worker"]],
            2: [_postmaster(run)],
            3: _postgres(run),
        }.get(round_number % 4, [])
        kills += _kill(victims)
        run.wait_until(lambda rows=rows: run.status().ready and run.get("/runs") == rows, "everything to serve again")
        assert run.process is not None
        kills += _kill([run.process.pid, *run.pids().values(), *_postgres(run)])
        run.end()
    print(f"{kills} processes killed over 12 rounds, {rows} rows kept")
