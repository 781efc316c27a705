"""The type checker knows the payload of a kind, where a job is enqueued and where it is handled."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    find_spec("basedpyright") is None, reason="basedpyright comes with the tools of development: run `make check` once"
)

PROGRAM = """
from dataclasses import dataclass

from mainstay.platform.jobs import DeadJob, JobHandler, JobKind, JobRun, enqueue
from mainstay.platform.postgres import WriteTx


@dataclass(frozen=True)
class Letter:
    copies: int


SEND = JobKind("letters.send", queue="post", timeout_s=5, payload=Letter)
PLAIN = JobKind("letters.plain", queue="post", timeout_s=5)


async def send(run: JobRun[Letter]) -> None:
    print(run.payload.copies + 1)


async def tell(tx: WriteTx, dead: DeadJob[Letter]) -> None:
    print(dead.payload.copies if dead.payload else dead.stored)


async def use(tx: WriteTx) -> None:
    await enqueue(tx, SEND, Letter(1), request_id="r")
    await enqueue(tx, PLAIN, {"copies": 1}, request_id="r")
    JobHandler(SEND, run=send, on_dead=tell)
"""

FAULTS = {
    "another payload": ("Letter(1), request", '{"copies": 1}, request'),
    "a field that is not there": ("run.payload.copies", "run.payload.copy"),
    "another kind": ("JobHandler(SEND", "JobHandler(PLAIN"),
    "a dead letter that cannot be read": (
        "dead.payload.copies if dead.payload else dead.stored",
        "dead.payload.copies",
    ),
}


# All programs in one run, since starting the checker costs more than the check.
def test_payload_of_another_type_is_an_error_of_the_type_checker(tmp_path: Path) -> None:
    programs = {"sound": PROGRAM} | {name: PROGRAM.replace(*fault) for name, fault in FAULTS.items()}
    files = {name: tmp_path / f"{name.replace(' ', '_')}.py" for name in programs}
    for name, program in programs.items():
        files[name].write_text(program)
    found = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--level", "error", "--pythonpath", sys.executable, *files.values()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    ).stdout
    faulty = {name for name, file in files.items() if f"{file}:" in found}
    assert faulty == set(FAULTS), found
