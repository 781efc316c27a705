"""Children: jobs that a job enqueues and then waits for, and what it is told of them when the last has ended.

                 `run.wait_for_children()`         the last child has ended
      ┌─────────┐ ──────────────────────► ┌─────────┐ ─────────► ┌────────┐  claim   ┌─────────┐
      │ running │     fenced commit       │ waiting │            │ queued │ ───────► │ running │ `join(run, children)`
      └─────────┘                         └─────────┘            └────────┘          └─────────┘

A parent holds no slot while it waits, and children share no row that they would have to lock in turn. Whoever commits
the end of a child looks, in a statement after that commit, whether the parent waits and has no unfinished child left.

    child A   … end, commit ── look: B has not ended
    child B   …………………… end, commit ── look: all have ended ─► queued        of two at once the later one sees both
    parent    …… children + `waiting`, commit ── look                       a child may end before the parent waits

Each look begins after the commit before it, so the last of them sees everything. Only a crash between a commit and its
look leaves a parent waiting, and a duty of every worker looks again at all that wait (`WorkerLimits.wake_s`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

ENDED = frozenset({"succeeded", "cancelled", "dead"})


@dataclass(frozen=True)
class Child:
    """One child and what became of it; `result` is what it committed, in itself or as the key of an object."""

    job_id: UUID
    kind: str
    state: str
    result: Any
    result_object: str | None
    error_code: str | None
    error: str | None


@dataclass(frozen=True)
class Children:
    """All children that a job ever had, in the order in which they were enqueued."""

    all: Sequence[Child]

    @property
    def counts(self) -> Mapping[str, int]:
        """Return how many there are in each state."""
        return Counter(child.state for child in self.all)

    @property
    def results(self) -> Sequence[Any]:
        """Return the results of those that succeeded."""
        return [child.result for child in self.all if child.state == "succeeded"]

    @property
    def unsuccessful(self) -> Sequence[Child]:
        """Return those that did not succeed."""
        return [child for child in self.all if child.state != "succeeded"]
