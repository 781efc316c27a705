"""`.ci/run` says in one sentence what a machine lacks that it cannot install itself."""

import shutil
import subprocess
from pathlib import Path

RUN = Path(__file__).parents[2] / ".ci" / "run"


def test_machine_without_make_and_a_package_manager_is_told_what_to_install(tmp_path: Path) -> None:
    for name in ("bash", "dirname", "id"):
        found = shutil.which(name)
        assert found is not None
        (tmp_path / name).symlink_to(found)
    done = subprocess.run(["bash", RUN], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "This machine needs make, git and Python 3.11 or later with venv: install them, then run .ci/run again.\n"
    )


def test_script_is_executable_and_parses() -> None:
    assert RUN.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", RUN], check=False).returncode == 0
