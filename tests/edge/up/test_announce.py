import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mainstay.edge.up import UpSettings
from mainstay.edge.up.announce import command_prefix, ready_lines
from mainstay.edge.up.readiness import is_ready
from mainstay.platform.processes.ports import pick_port

needs_script = pytest.mark.skipif(
    not Path(sys.executable).with_name("mainstay").exists(), reason="the package's script is not installed"
)


def _settings(home: Path, **given: object) -> UpSettings:
    values: dict[str, object] = {"home": home, "port": 8321, "key_file": home / "key", "environment": {"PATH": ""}}
    return UpSettings(**(values | given))  # pyright: ignore[reportArgumentType]


def test_ready_lines_name_address_key_file_and_commands(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("ms_secret\n")
    lines = ready_lines(_settings(tmp_path, tries=('ask "Why?"', "usage", "audit"), home_is_default=True), 1.234)
    assert lines[0] == "Mainstay is ready at http://127.0.0.1:8321 (1.2 s)"
    assert lines[1].endswith("http://127.0.0.1:8321/#key=ms_secret")
    assert str(tmp_path / "key") in lines[2]
    assert [line.split("mainstay ")[-1] for line in lines[4:]] == ['ask "Why?"', "usage", "audit"]


def test_ready_lines_openai_key_is_announced_and_not_shown(tmp_path: Path) -> None:
    environment = {"PATH": "", "OPENAI_API_KEY": "sk-secret"}
    text = "\n".join(ready_lines(_settings(tmp_path, environment=environment), 1.0))
    assert "OPENAI_API_KEY found, not used: set MAINSTAY_MODEL_URL" in text
    assert "sk-secret" not in text
    assert "OPENAI" not in "\n".join(ready_lines(_settings(tmp_path), 1.0))


@needs_script
def test_command_prefix_on_the_path_is_the_plain_name(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("mainstay")
    on_path = _settings(tmp_path, environment={"PATH": str(script.parent)}, home_is_default=True)
    assert command_prefix(on_path) == "mainstay"


@needs_script
def test_command_prefix_another_mainstay_on_the_path_is_not_ours(tmp_path: Path) -> None:
    other = tmp_path / "mainstay"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    prefix = command_prefix(_settings(tmp_path, environment={"PATH": str(tmp_path)}, home_is_default=True))
    assert prefix.endswith("bin/mainstay")
    assert prefix != str(other)


def test_command_prefix_of_another_home_works_when_typed(tmp_path: Path) -> None:
    home = tmp_path / "a home; with 'odd' names"
    prefix = command_prefix(_settings(home))
    words = shlex.split(prefix)
    assert words[0] == f"MAINSTAY_HOME={home}"
    typed = subprocess.run(
        ["sh", "-c", f"{prefix.rpartition(' ')[0]} printenv MAINSTAY_HOME"], capture_output=True, text=True, check=True
    )
    assert typed.stdout == f"{home}\n"


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", "http://127.0.0.1:8321"), ("0.0.0.0", "http://127.0.0.1:8321"), ("::1", "http://[::1]:8321")],
)
def test_address_is_one_that_can_be_opened(tmp_path: Path, host: str, address: str) -> None:
    assert _settings(tmp_path, host=host).address == address


def test_is_ready_nobody_listens_is_false() -> None:
    assert not is_ready("127.0.0.1", pick_port("127.0.0.1"))
