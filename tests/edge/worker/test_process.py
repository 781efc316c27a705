"""The worker process as a supervisor meets it: it refuses what is unsafe with one sentence and a status."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.database import DatabaseUrls

DEADLINE_S = 30.0


def run_worker(url: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run the worker as `mainstay up` would, on a database that it must refuse."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MAINSTAY_")},
        "MAINSTAY_APP_DATABASE_URL": url,
        "MAINSTAY_HOME": str(home),
    }
    return subprocess.run(
        [sys.executable, "-m", "mainstay.edge.worker"],
        env=environment, capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("role", "sentence"),
    [("superuser", "is a superuser and so may bypass row security"), ("owner", "relations of Mainstay")],
)
def test_worker_with_a_role_that_is_too_strong_is_refused(
    database_urls: DatabaseUrls, tmp_path: Path, role: str, sentence: str
) -> None:
    ended = run_worker(getattr(database_urls, role), tmp_path)
    assert ended.returncode == 1
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr


def test_worker_without_a_database_is_refused(tmp_path: Path) -> None:
    ended = run_worker("postgresql://nobody@127.0.0.1:1/none", tmp_path)
    assert ended.returncode == 1
    assert "Cannot connect to the database" in ended.stderr
    assert "Traceback" not in ended.stderr
