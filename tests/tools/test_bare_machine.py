"""A machine on which nothing can be installed is told so in one sentence, before anything is."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools.bare_machine import PLATFORMS, complaint, main

HERE = ("Linux", "x86_64")


@pytest.mark.parametrize("here", sorted(PLATFORMS))
@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 4), (3, 14, 0)])
def test_supported_machine_has_no_complaint(here: tuple[str, str], version: tuple[int, int, int]) -> None:
    assert complaint(version, here, has_venv=True) is None


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 9, 2), (3, 10, 14)])
def test_old_python_is_named_with_a_newer_one_to_use(version: tuple[int, int, int]) -> None:
    said = complaint(version, HERE, has_venv=True)
    assert said is not None
    assert "needs Python 3.11 or later" in said
    assert ".".join(map(str, version)) in said
    assert "make up PYTHON=" in said


@pytest.mark.parametrize(
    "here", [("Windows", "AMD64"), ("Linux", "riscv64"), ("Linux", "armv7l"), ("FreeBSD", "amd64")]
)
def test_other_platform_is_named(here: tuple[str, str]) -> None:
    said = complaint((3, 12, 0), here, has_venv=True)
    assert said is not None
    assert f"not for {here[0]} on {here[1]}: run it in a Linux virtual machine" in said


def test_python_without_venv_is_told_what_to_install() -> None:
    said = complaint((3, 11, 2), HERE, has_venv=False)
    assert said is not None
    assert "apt-get install python3-venv" in said


def test_this_machine_has_no_complaint() -> None:
    assert complaint() is None


def test_every_complaint_is_one_sentence() -> None:
    said = [
        complaint((3, 9, 0), HERE, has_venv=True),
        complaint((3, 12, 0), ("Plan9", "mips"), has_venv=True),
        complaint((3, 12, 0), HERE, has_venv=False),
    ]
    for sentence in said:
        assert sentence is not None
        assert "\n" not in sentence
        assert sentence.endswith(".")


def test_folder_that_stands_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pip").write_text("")
    assert main(str(tmp_path)) == 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["bin"]


@pytest.mark.deep
def test_folder_of_an_interrupted_attempt_is_completed(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(sys.executable)
    assert main(str(tmp_path)) == 0
    assert (tmp_path / "bin" / "pip").exists()


def test_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert main(str(blocked)) == 1
    assert f"Could not make a virtual environment in {blocked}" in capfd.readouterr().err


def test_script_runs_on_the_standard_library_alone(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pip").write_text("")
    script = Path(__file__).parents[2] / "tools" / "bare_machine.py"
    done = subprocess.run([sys.executable, "-I", "-S", str(script), str(tmp_path)], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
