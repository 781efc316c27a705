import os
import socket
import stat
import time
from pathlib import Path

import pytest

from mainstay.edge.up import ExitCode
from tests.edge.up.conftest import Run, assert_nothing_left, postmaster_pid


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
    pids = [found.supervisor_pid or 0, *new_run.pids().values(), postmaster_pid(new_run)]
    code, _, errors = new_run.stop()
    assert (code, errors) == (0, "")
    assert_nothing_left(new_run, pids)
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
    assert_nothing_left(run, [])


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
    assert_nothing_left(run, [])


def test_up_child_that_keeps_failing_stops_everything_with_its_last_words(run: Run) -> None:
    run.environment = {"STANDIN_WORKER_FAILS": "1"}
    limits = {"restart_delay_first_s": 0.01, "restarts_per_minute_max": 3, "restarts_before_ready_max": 3}
    run.settings = {"limits": limits}
    run.start()
    code, output, errors = run.end()
    assert code == ExitCode.PROCESS_FAILED
    assert output.count("The worker was started again.") == 3
    sentence, words = errors.splitlines()
    assert sentence.startswith("The worker ended again (exit status 7), so everything was stopped; its last words in")
    assert words == "the worker cannot work"
    assert_nothing_left(run, [])


def test_up_server_that_is_never_ready_stops_everything(run: Run) -> None:
    run.settings = {"limits": {"ready_s": 0.0}}
    run.start()
    code, _, errors = run.end()
    assert code == ExitCode.NOT_READY
    assert "was not ready after 0 s" in errors
    assert_nothing_left(run, [])


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
