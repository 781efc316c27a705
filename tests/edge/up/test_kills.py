import os
import signal
import socket
import sys
from dataclasses import replace

import pytest

from mainstay.edge.up import ExitCode, UpLimits, down
from mainstay.edge.up.state import ChildState, HomePaths, load_state
from mainstay.platform.processes.identity import ProcessIdentity, identify, is_alive
from tests.edge.up.conftest import Run, assert_nothing_left, kill_all, postgres_pids, postmaster_pid
from tests.support.figures import Figures


def test_up_postgres_that_keeps_dying_stops_everything(run: Run) -> None:
    run.settings = {"limits": {"restarts_per_minute_max": 0}}
    run.start_until_ready()
    os.kill(postmaster_pid(run), signal.SIGKILL)
    code, _, errors = run.end()
    assert code == ExitCode.PROCESS_FAILED
    assert errors.startswith("PostgreSQL ended again (killed by SIGKILL), so everything was stopped")
    assert_nothing_left(run, [])


def test_up_server_that_does_not_drain_is_killed(run: Run) -> None:
    run.environment = {"STANDIN_DEAF": "1"}
    run.settings = {"limits": {"drain_s": 0.2}}
    run.start_until_ready()
    pids = list(run.pids().values())
    code, _, _ = run.stop()
    assert code == 0
    assert_nothing_left(run, pids)


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
    assert_nothing_left(run, list(pids.values()))


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
    before, postmaster = run.pids(), postmaster_pid(run)
    os.kill(postmaster, signal.SIGKILL)
    run.wait_until(lambda: postmaster_pid(run) != postmaster and run.get("/runs") == 2, "PostgreSQL to serve again")
    assert run.pids() == before
    _, output, _ = run.stop()
    assert "PostgreSQL ended unexpectedly (killed by SIGKILL)" in output
    assert "PostgreSQL was started again." in output


def test_up_killed_postgres_whose_port_was_taken_moves_with_the_children(run: Run) -> None:
    run.start_until_ready()
    before, postmaster = run.pids(), postmaster_pid(run)
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
    pids = [*run.pids().values(), *postgres_pids(run)]
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
    kill_all([run.process.pid, *run.pids().values(), *postgres_pids(run)])
    run.end()
    run.start_until_ready()
    assert run.get("/runs") == 3


def test_down_kills_a_supervisor_that_does_not_listen(run: Run) -> None:
    run.start_until_ready()
    pids = list(run.pids().values())
    assert run.process is not None
    run.process.send_signal(signal.SIGSTOP)
    assert down(run.home, UpLimits(drain_s=-9.9, database_stop_s=0)) == ExitCode.OK
    run.end()
    assert_nothing_left(run, pids)


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


@pytest.mark.deep
def test_kill_storm_every_process_many_times_loses_nothing(run: Run, record_figure: Figures) -> None:
    """Kill each kind of process and all together, in turn; each start finds all earlier rows."""
    kills = 0
    for round_number in range(12):
        run.start_until_ready()
        rows = round_number + 2
        assert run.get("/runs") == rows
        victims = {
            0: [run.pids()["server"]],
            1: [run.pids()["worker"]],
            2: [postmaster_pid(run)],
            3: postgres_pids(run),
        }.get(round_number % 4, [])
        kills += kill_all(victims)
        run.wait_until(lambda rows=rows: run.status().ready and run.get("/runs") == rows, "everything to serve again")
        assert run.process is not None
        kills += kill_all([run.process.pid, *run.pids().values(), *postgres_pids(run)])
        run.end()
    record_figure.record("rounds of kills after which all rows were there", 12, unit=f"{kills} kills", tried=12)
