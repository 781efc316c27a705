"""The checker itself: it sees what a drill must not have, and refuses a history in which nothing was tried."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.platform.jobs.drills.checker import EmptyHistory, check
from tests.platform.jobs.drills.history import Effect, History, JobRow, Kill, Orphan, Start
from tests.support.jobs import REPOSITORY

# Three jobs; a kill orphaned the second, which ran again under fence 2, and caught the third after its commit.
CLEAN = History(
    drill="planted",
    lease_s=3.0,
    acknowledged=["a", "b", "c"],
    jobs=[JobRow("a", "succeeded", 1, 1), JobRow("b", "succeeded", 2, 2), JobRow("c", "succeeded", 1, 1)],
    ledger=[Effect("a", 1), Effect("b", 2), Effect("c", 1)],
    starts=[Start("b", 2, 103.5)],
    kills=[Kill("before", 100.0, [Orphan("b", 1), Orphan("c", 1)])],
)


def found(history: History) -> dict[str, Sequence[str]]:
    return {name: jobs for name, jobs in check(history).problems.items() if jobs}


def with_row(row: JobRow) -> History:
    return replace(CLEAN, jobs=[row if each.job_id == row.job_id else each for each in CLEAN.jobs])


def test_history_without_a_fault_is_clean() -> None:
    report = check(CLEAN)
    assert report.is_clean
    assert (report.jobs, report.attempts, report.kills, report.orphans) == (3, 4, {"before": 1}, 1)
    assert report.restart_p99_s == 3.5


def test_planted_loss_is_found_whether_the_row_or_the_effect_is_gone() -> None:
    assert found(replace(CLEAN, jobs=CLEAN.jobs[1:], ledger=CLEAN.ledger[1:])) == {"lost": ["a"]}
    assert found(replace(CLEAN, ledger=CLEAN.ledger[1:])) == {"lost": ["a"]}


def test_planted_double_is_found() -> None:
    assert found(replace(CLEAN, ledger=[*CLEAN.ledger, Effect("a", 1)])) == {"doubled": ["a"]}


def test_planted_stale_commit_is_found() -> None:
    """The zombie of fence 1 wrote, and the attempt of fence 2 believed it had."""
    history = replace(CLEAN, ledger=[CLEAN.ledger[0], Effect("b", 1), CLEAN.ledger[2]])
    assert found(history) == {"stale": ["b"]}


def test_effect_of_a_job_that_did_not_succeed_is_stale() -> None:
    assert found(with_row(JobRow("a", "queued", 1, 1))) == {"stale": ["a"], "stuck": ["a"]}


def test_job_that_is_never_done_is_stuck_and_an_orphan_that_waits_for_ever_too() -> None:
    history = replace(with_row(JobRow("b", "running", 2, 2)), ledger=[CLEAN.ledger[0], CLEAN.ledger[2]], starts=[])
    assert found(history) == {"stuck": ["b"], "never_restarted": ["b"]}


def test_orphan_that_runs_again_too_late_is_found() -> None:
    assert found(replace(CLEAN, starts=[Start("b", 2, 108.1)])) == {"late": ["b: 8.1 s"]}


def test_dead_letter_is_a_loss_unless_it_was_poison() -> None:
    history = replace(with_row(JobRow("a", "dead", 5, 5)), ledger=CLEAN.ledger[1:])
    assert found(history) == {"lost": ["a"]}
    assert found(replace(history, poison=["a"])) == {}
    assert found(replace(CLEAN, poison=["a"])) == {"not_dead": ["a"]}


def test_effect_of_a_job_that_nobody_enqueued_is_found_unless_it_was_in_doubt() -> None:
    history = replace(CLEAN, acknowledged=["b", "c"])
    assert found(history) == {"unknown": ["a"]}
    assert found(replace(history, in_doubt=["a"])) == {}


def test_empty_history_is_refused() -> None:
    with pytest.raises(EmptyHistory, match="nothing was tried"):
        check(replace(CLEAN, acknowledged=[]))
    with pytest.raises(EmptyHistory):
        check(replace(CLEAN, jobs=[]))


@pytest.mark.parametrize(
    ("history", "status"),
    [
        (CLEAN, 0),
        (replace(CLEAN, ledger=[*CLEAN.ledger, Effect("a", 1)]), 1),
        (replace(CLEAN, acknowledged=[]), 1),
    ],
)
def test_command_says_so_with_its_exit_status(history: History, status: int, tmp_path: Path) -> None:
    history.save(tmp_path / "history.json")
    command = [sys.executable, "-m", "tests.platform.jobs.drills.checker", str(tmp_path / "history.json")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, timeout=60, check=False)
    assert done.returncode == status
