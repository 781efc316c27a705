from pathlib import Path

import pytest

from mainstay.edge.up import ExitCode, down, status
from mainstay.edge.up.errors import HomeUnusable
from mainstay.platform.processes.identity import identify
from tests.edge.up.conftest import Run, assert_nothing_left


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
    assert_nothing_left(run, pids)
    assert down(run.home) == ExitCode.OK


def test_detach_failure_prints_the_reason(run: Run) -> None:
    run.environment = {"STANDIN_PREPARE_FAILS": "1"}
    run.start("--detach")
    code, output, _ = run.end()
    assert code == ExitCode.PREPARATION_FAILED
    assert "The database has no extension vector" in output


def test_status_home_without_a_run_says_nothing_runs(tmp_path: Path) -> None:
    found = status(tmp_path / "none")
    assert (found.running, found.ready, found.processes) == (False, False, ())
    assert not (tmp_path / "none").exists()


def test_status_state_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "run" / "state.json").mkdir(parents=True)
    with pytest.raises(HomeUnusable, match="run this as the user who started Mainstay"):
        status(tmp_path)
    assert down(tmp_path) == ExitCode.HOME_UNUSABLE
