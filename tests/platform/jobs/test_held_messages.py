"""Which message waits for which jobs: whatever arrives, is claimed and ends in whatever order."""

from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mainstay.kernel.ids import new_id
from mainstay.platform.jobs.sqs.held import HeldMessages


def receipts(found: dict[str, list[str]]) -> list[str]:
    return [receipt for of_queue in found.values() for receipt in of_queue]


def held(messages: HeldMessages) -> set[str]:
    return set(receipts(dict(messages.held())))


def done(messages: HeldMessages) -> list[str]:
    return sorted(receipts(dict(messages.take_done())))


def test_message_is_done_when_the_job_of_its_claim_has_ended() -> None:
    messages, job_id = HeldMessages(), new_id()
    messages.arrive("a", ["m"])
    messages.claiming()
    messages.claimed({job_id: "a"})
    assert (held(messages), done(messages)) == ({"m"}, [])
    messages.ended(job_id)
    assert (held(messages), done(messages)) == (set(), ["m"])


def test_message_that_arrives_during_a_claim_waits_for_the_next() -> None:
    """The claim may have looked before the job was there."""
    messages = HeldMessages()
    messages.claiming()
    messages.arrive("a", ["m"])
    messages.claimed({})
    assert done(messages) == []
    assert not messages.is_settled("a")
    messages.claiming()
    messages.claimed({})
    assert done(messages) == ["m"]


def test_claim_filled_by_other_queues_settles_nothing() -> None:
    messages = HeldMessages()
    messages.arrive("a", ["m"])
    messages.claiming()
    messages.claimed({new_id(): "b"})
    assert held(messages) == {"m"}
    assert not messages.is_settled("a")


def test_more_messages_than_jobs_and_more_jobs_than_messages() -> None:
    messages, job_ids = HeldMessages(), [new_id() for _ in range(3)]
    messages.arrive("a", ["m1", "m2"])
    messages.claiming()
    messages.claimed(dict.fromkeys(job_ids, "a"))
    messages.ended(job_ids[1])
    assert done(messages) == ["m2"]
    messages.ended(job_ids[0])
    assert done(messages) == [], "the first message has the third job, too"
    messages.ended(job_ids[2])
    assert done(messages) == ["m1"]
    messages.arrive("a", ["m3", "m4"])
    messages.claiming()
    only = new_id()
    messages.claimed({only: "a"})
    messages.ended(only)
    assert done(messages) == ["m3", "m4"]


def test_message_that_was_taken_back_is_not_deleted() -> None:
    messages, job_id = HeldMessages(), new_id()
    messages.arrive("a", ["m"])
    messages.claiming()
    messages.claimed({job_id: "a"})
    messages.forget(["m", "unknown"])
    messages.ended(job_id)
    assert (held(messages), done(messages)) == (set(), [])


class HeldMachine(RuleBasedStateMachine):
    """Messages and jobs of two queues, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.messages = HeldMessages()
        self.count = 0
        self.arrived: set[str] = set()
        self.done: list[str] = []
        self.running: dict[UUID, str] = {}
        self.claiming = False

    @rule(queue=st.sampled_from("ab"), count=st.integers(1, 3))
    def arrive(self, queue: str, count: int) -> None:
        new = [f"{queue}{self.count + number}" for number in range(count)]
        self.count += count
        self.arrived.update(new)
        self.messages.arrive(queue, new)

    @rule()
    def begin(self) -> None:
        self.messages.claiming()
        self.claiming = True

    @rule(queues=st.lists(st.sampled_from("ab"), max_size=4))
    def claim(self, queues: list[str]) -> None:
        if self.claiming:
            jobs = {new_id(): queue for queue in queues}
            self.messages.claimed(jobs)
            self.running.update(jobs)
            self.claiming = False

    @rule(chosen=st.integers(0, 9))
    def end(self, chosen: int) -> None:
        if self.running:
            job_id = list(self.running)[chosen % len(self.running)]
            del self.running[job_id]
            self.messages.ended(job_id)

    @rule(chosen=st.integers(0, 9))
    def take_back(self, chosen: int) -> None:
        if ours := sorted(held(self.messages)):
            lost = ours[chosen % len(ours)]
            self.messages.forget([lost])
            self.arrived.discard(lost)

    @invariant()
    def each_message_is_held_or_done_once(self) -> None:
        self.done += done(self.messages)
        assert len(self.done) == len(set(self.done))
        assert held(self.messages) | set(self.done) == self.arrived
        assert not held(self.messages) & set(self.done)

    def teardown(self) -> None:
        """When all jobs have ended and nothing is due, no message is left."""
        for job_id in self.running:
            self.messages.ended(job_id)
        self.messages.claiming()
        self.messages.claimed({})
        assert held(self.messages) == set()


TestHeldMachine = HeldMachine.TestCase
