"""What is measured: each system with its processes, and how long they take for a queue of jobs."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from bench.contender import Contender
from bench.process_cpu import tree_cpu_s

WORK_DEADLINE_S = 300.0
_LOOK_S = 0.01


@dataclass(frozen=True)
class Rate:
    """Jobs a second, and milliseconds of processor time that a job takes of its system and of PostgreSQL."""

    jobs_per_s: float
    system_cpu_ms: float
    postgres_cpu_ms: float


@dataclass
class Rival:
    """One way to run jobs: processes that work, and one beside them that fills the queue and looks whether it is empty.

    `options` are what the module's `open` takes; only the first process is told to `install`, where it can be.
    """

    name: str
    module: str
    python: Path
    log: Path
    processes: int
    options: Mapping[str, Any]
    installs: bool = False
    _stack: ExitStack = field(default_factory=ExitStack)
    _killed: int = 0

    def __enter__(self) -> Self:
        self.control, *self.workers = [self._start(number) for number in range(self.processes + 1)]
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def work(self, name: str, jobs: int, postmaster: int, meanwhile: Callable[[], None] = lambda: None) -> Rate:
        """Fill the queue, let all processes work until it is empty, and return how fast that went."""
        self.control.do("fill", name=name, jobs=jobs)
        before, before_postgres = self._cpu_s(), tree_cpu_s(postmaster)
        began = time.perf_counter()
        for worker in self.workers:
            worker.do("start")
        meanwhile()
        while self.control.do("has_more"):
            if time.perf_counter() - began > WORK_DEADLINE_S:
                raise TimeoutError(f"{self.name}: {jobs} '{name}' jobs were not done within {WORK_DEADLINE_S:g} s")
            time.sleep(_LOOK_S)
        took_s = time.perf_counter() - began
        system_s, postgres_s = self._cpu_s() - before, tree_cpu_s(postmaster) - before_postgres
        for worker in self.workers:
            worker.do("stop")
        return Rate(jobs / took_s, system_s * 1000 / jobs, postgres_s * 1000 / jobs)

    def kill_worker(self) -> None:
        """Kill the worker that is the oldest, and start the process of another, which does not work yet."""
        os.kill(self.workers.pop(0).pid, signal.SIGKILL)
        self._killed += 1
        self.workers.append(self._start(self.processes + self._killed))

    def _start(self, number: int) -> Contender:
        log = f"{self.module.rpartition('.')[2]}-{self.name.replace(' ', '-')}-{number}.log"
        contender = Contender(self.name, self.module, python=self.python, log=self.log.with_name(log))
        self._stack.enter_context(contender)
        install = {"install": not number} if self.installs else {}
        contender.do("open", **self.options, **install)
        return contender

    def _cpu_s(self) -> float:
        return sum(tree_cpu_s(worker.pid) for worker in self.workers)
