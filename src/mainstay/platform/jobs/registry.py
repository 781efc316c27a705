"""Which kinds of job a worker can run, and how."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic

from mainstay.platform.jobs.models import DeadJob, JobKind
from mainstay.platform.jobs.payloads import PayloadT
from mainstay.platform.jobs.run import JobRun
from mainstay.platform.postgres import WriteTx


@dataclass(frozen=True)
class JobHandler(Generic[PayloadT]):
    """What a worker does for a kind.

    `run` loads, works and commits through the JobRun it is given. `on_dead` writes what a dead letter means for the
    slice, for example a document that has failed, in the commit that makes it one. It may be called again if it
    raises, and must do nothing but write.
    """

    kind: JobKind[PayloadT]
    run: Callable[[JobRun[PayloadT]], Awaitable[None]]
    on_dead: Callable[[WriteTx, DeadJob[PayloadT]], Awaitable[None]] | None = None


class JobRegistry:
    """The handlers that a worker has. It claims no job of another kind, which then waits for a worker that knows it."""

    def __init__(self, handlers: Iterable[JobHandler[Any]]) -> None:
        self._handlers: dict[str, JobHandler[Any]] = {}
        for handler in handlers:
            if handler.kind.name in self._handlers:
                raise ValueError(f"JobRegistry: the kind '{handler.kind.name}' has two handlers; leave one out")
            self._handlers[handler.kind.name] = handler
        self.kinds = tuple(sorted(self._handlers))
        self.isolated_kinds = tuple(kind for kind in self.kinds if self._handlers[kind].kind.needs_process)
        self.queues = tuple(sorted({handler.kind.queue for handler in self._handlers.values()}))

    def __getitem__(self, kind: str) -> JobHandler[Any]:
        return self._handlers[kind]
