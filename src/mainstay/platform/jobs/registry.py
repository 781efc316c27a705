"""Which kinds of job a worker can run, and how."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic

from mainstay.platform.jobs.children import Children
from mainstay.platform.jobs.models import DeadJob, JobKind, Queue
from mainstay.platform.jobs.payloads import PayloadT
from mainstay.platform.jobs.run import JobRun
from mainstay.platform.postgres import WriteTx


@dataclass(frozen=True)
class JobHandler(Generic[PayloadT]):
    """What a worker does for a kind.

    `run` loads, works and commits through the JobRun it is given; `join` does so once the children that it waited for
    have ended. `on_dead` writes what the end of a job that did not succeed means for the slice, for example a document
    that has failed: in the commit that makes it a dead letter, or soon after it was cancelled. It may be called again
    if it raises, and must do nothing but write.
    """

    kind: JobKind[PayloadT]
    run: Callable[[JobRun[PayloadT]], Awaitable[None]]
    on_dead: Callable[[WriteTx, DeadJob[PayloadT]], Awaitable[None]] | None = None
    join: Callable[[JobRun[PayloadT], Children], Awaitable[None]] | None = None


class JobRegistry:
    """The handlers that a worker has. It claims no job of another kind, which then waits for a worker that knows it.

    `queues` are the rules of those queues that have any.
    """

    def __init__(self, handlers: Iterable[JobHandler[Any]], queues: Iterable[Queue] = ()) -> None:
        self._handlers: dict[str, JobHandler[Any]] = {}
        for handler in handlers:
            if handler.kind.name in self._handlers:
                raise ValueError(f"JobRegistry: the kind '{handler.kind.name}' has two handlers; leave one out")
            self._handlers[handler.kind.name] = handler
        self.kinds = tuple(sorted(self._handlers))
        self.isolated_kinds = tuple(kind for kind in self.kinds if self._handlers[kind].kind.needs_process)
        self.queues = tuple(sorted({handler.kind.queue for handler in self._handlers.values()}))
        self.rules = tuple(sorted(queues, key=lambda queue: queue.name))
        ruled = [rule.name for rule in self.rules]
        if len(ruled) > len(set(ruled)):
            raise ValueError(f"JobRegistry: a queue has rules twice in {ruled}; leave one out")
        if unknown := sorted(set(ruled) - set(self.queues)):
            raise ValueError(f"JobRegistry: {unknown} have rules, but no handler is for them; there are {self.queues}")

    def __getitem__(self, kind: str) -> JobHandler[Any]:
        return self._handlers[kind]
