"""Which message waits for which jobs. Pure: it does no input or output, and knows no clock."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID


@dataclass
class _Message:
    queue: str
    receipt: str
    # Whether a claim has begun since it arrived; one that began before may not have seen its job.
    asked: bool = False
    jobs: set[UUID] | None = None
    done: bool = field(default=False)


class HeldMessages:
    """The messages that a worker has received and not yet deleted.

    A message is kept until the jobs that its claim found have ended, so that it comes again, and others are woken,
    when the worker dies before. A claim that found nothing at all settles what asked for it: another worker was
    quicker, or the message came twice.
    """

    def __init__(self) -> None:
        self._messages: dict[str, _Message] = {}
        self._of_job: dict[UUID, list[_Message]] = {}
        self._done: list[_Message] = []

    def arrive(self, queue: str, receipts: Iterable[str]) -> None:
        """Hold messages that have just been received."""
        for receipt in receipts:
            self._messages[receipt] = _Message(queue, receipt)

    def claiming(self) -> None:
        """Note that a claim begins, which answers all that has arrived so far."""
        for message in self._messages.values():
            message.asked = True

    def claimed(self, jobs: Mapping[UUID, str]) -> None:
        """Share the jobs of a claim among the messages that asked for it, so that each message has one."""
        found: dict[str, list[UUID]] = defaultdict(list)
        for job_id, queue in jobs.items():
            found[queue].append(job_id)
        asking: dict[str, list[_Message]] = defaultdict(list)
        for message in self._messages.values():
            if message.asked and message.jobs is None:
                asking[message.queue].append(message)
        for queue, messages in asking.items():
            if found[queue]:
                self._share(messages, found[queue])
            elif not jobs:
                for message in messages:
                    self._finish(message)
            # Where other queues took all, it is not known yet whether this one has something: the next claim tells.

    def ended(self, job_id: UUID) -> None:
        """Note that a job has ended; messages whose last one it was are done."""
        for message in self._of_job.pop(job_id, ()):
            assert message.jobs is not None  # noqa: S101  (it has the job that has just ended)
            message.jobs.discard(job_id)
            if not message.jobs and not message.done:
                self._finish(message)

    def forget(self, receipts: Iterable[str]) -> None:
        """Let go of messages that SQS has taken back; they come again under other receipts."""
        for receipt in receipts:
            message = self._messages.pop(receipt, None)
            if message is not None:
                message.done = True

    def is_settled(self, queue: str) -> bool:
        """Tell whether each message of the queue has had its claim."""
        return all(message.jobs is not None for message in self._messages.values() if message.queue == queue)

    def held(self) -> Mapping[str, Sequence[str]]:
        """Return the receipts to be kept hidden, by queue."""
        return _by_queue(self._messages.values())

    def take_done(self) -> Mapping[str, Sequence[str]]:
        """Return the receipts to be deleted, by queue, once."""
        done, self._done = self._done, []
        return _by_queue(done)

    def _share(self, messages: Sequence[_Message], jobs: Sequence[UUID]) -> None:
        for turn in range(max(len(messages), len(jobs))):
            message, job_id = messages[turn % len(messages)], jobs[turn % len(jobs)]
            message.jobs = (message.jobs or set()) | {job_id}
            self._of_job.setdefault(job_id, []).append(message)

    def _finish(self, message: _Message) -> None:
        message.done = True
        del self._messages[message.receipt]
        self._done.append(message)


def _by_queue(messages: Iterable[_Message]) -> Mapping[str, Sequence[str]]:
    receipts: dict[str, list[str]] = {}
    for message in messages:
        receipts.setdefault(message.queue, []).append(message.receipt)
    return receipts
