"""A system that is measured, in a process of its own, and what an action costs it and PostgreSQL."""

import json
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.process_cpu import tree_cpu_s

REPOSITORY = Path(__file__).parents[1]
PEERS_PYTHON = REPOSITORY / ".venv-bench" / "bin" / "python"
ACTION_DEADLINE_S = 300.0
_LAST_WORDS_CHARS = 2_000


class ContenderFailed(Exception):
    """A measured system ended or stalled; the message holds its last words."""


@dataclass(frozen=True)
class Cost:
    """One action: its answer, and seconds on the clock, of the system's processors, and of PostgreSQL's."""

    answer: Mapping[str, Any]
    wall_s: float
    system_cpu_s: float
    postgres_cpu_s: float

    @property
    def cpu_s(self) -> float:
        """All processor time together."""
        return self.system_cpu_s + self.postgres_cpu_s


class Contender:
    """Runs `python -m MODULE`, whose process answers actions (see actions.py); use it as a context manager."""

    def __init__(self, name: str, module: str, *, python: Path = Path(sys.executable), log: Path) -> None:
        self.name = name
        self._log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [python, "-m", module], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )

    @property
    def pid(self) -> int:
        """The process that is measured, with its children."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def do(self, action: str, **arguments: object) -> Any:
        """Return what the action answers; raises ContenderFailed."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps({"action": action, **arguments}).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError as error:
            raise self._failure(action) from error
        if not select.select([stdout], [], [], ACTION_DEADLINE_S)[0]:
            raise self._failure(action)
        line = stdout.readline()
        if not line:
            raise self._failure(action)
        return json.loads(line)

    def measure(self, postmaster: int, action: str, **arguments: object) -> Cost:
        """Do an action and return what it cost; PostgreSQL's time is that of all its processes meanwhile."""
        before, before_postgres = tree_cpu_s(self._process.pid), tree_cpu_s(postmaster)
        started = time.perf_counter()
        answer = self.do(action, **arguments)
        wall_s = time.perf_counter() - started
        return Cost(answer, wall_s, tree_cpu_s(self._process.pid) - before, tree_cpu_s(postmaster) - before_postgres)

    def _failure(self, action: str) -> ContenderFailed:
        words = self._log.read_text(encoding="utf-8", errors="replace")[-_LAST_WORDS_CHARS:]
        return ContenderFailed(f"{self.name} did not answer '{action}'; its last words:\n{words}")


def peers_missing() -> str | None:
    """Return what to do where the peers' environment is missing, or None."""
    return (
        None if PEERS_PYTHON.exists() else f"NOT RUN: {PEERS_PYTHON} is missing: `make bench` installs the peers there."
    )


def versions(python: Path, packages: Sequence[str]) -> str:
    """Return the versions of packages in another environment, in one line."""
    code = (
        "import sys; from importlib.metadata import version;print(', '.join(f'{p} {version(p)}' for p in sys.argv[1:]))"
    )
    done = subprocess.run([python, "-c", code, *packages], check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()
