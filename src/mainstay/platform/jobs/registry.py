"""Which kinds of job a worker can run, and how."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from mainstay.platform.jobs.models import DeadJob, JobKind, Queue
from mainstay.platform.jobs.run import JobRun
from mainstay.platform.postgres import WriteTx


@dataclass(frozen=True)
class JobHandler:
    """What a worker does for a kind.

    `run` loads, works and commits through the JobRun it is given. `on_dead` writes what a dead letter means for the
    slice, for example a document that has failed, in the commit that makes it one. It may be called again if it
    raises, and must do nothing but write.
    """

    kind: JobKind
    run: Callable[[JobRun], Awaitable[None]]
    on_dead: Callable[[WriteTx, DeadJob], Awaitable[None]] | None = None


class JobRegistry:
    """The handlers that a worker has. It claims no job of another kind, which then waits for a worker that knows it.

    `queues` are the rules of those queues that have any.
    """

    def __init__(self, handlers: Iterable[JobHandler], queues: Iterable[Queue] = ()) -> None:
        self._handlers: dict[str, JobHandler] = {}
        for handler in handlers:
            if handler.kind.name in self._handlers:
                raise ValueError(f"JobRegistry: the kind '{handler.kind.name}' has two handlers; leave one out")
            self._handlers[handler.kind.name] = handler
        self.kinds = tuple(sorted(self._handlers))
        self.queues = tuple(sorted({handler.kind.queue for handler in self._handlers.values()}))
        self.rules = tuple(sorted(queues, key=lambda queue: queue.name))
        ruled = [rule.name for rule in self.rules]
        if len(ruled) > len(set(ruled)):
            raise ValueError(f"JobRegistry: a queue has rules twice in {ruled}; leave one out")
        if unknown := sorted(set(ruled) - set(self.queues)):
            raise ValueError(f"JobRegistry: {unknown} have rules, but no handler is for them; there are {self.queues}")

    def __getitem__(self, kind: str) -> JobHandler:
        return self._handlers[kind]
