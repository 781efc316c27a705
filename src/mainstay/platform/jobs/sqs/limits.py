"""The limits of SQS as a transport. Those of Amazon stand in capitals; the others are ours."""

from dataclasses import dataclass

# Entries of one batch call, and messages of one receive.
BATCH_MAX = 10
# The longest that a message can be put off; a job that is due later is found by the periodic look.
DELAY_S_MAX = 900
# The longest that a receive can wait for a message.
WAIT_S_MAX = 20


@dataclass(frozen=True)
class SqsLimits:
    """How long a process waits for SQS, and how much it says; the defaults are those of production."""

    # One receive waits so long: three calls a minute for each queue while nothing happens.
    wait_s: int = WAIT_S_MAX
    # How long a message stays hidden after its worker was last heard of. As long as the lease of a job, so that both
    # come back together.
    visibility_s: int = 30
    # A worker looks for jobs so seldom, because messages wake it: this is for those that are lost.
    poll_s: float = 5.0
    # How often a process looks for due jobs that no message tells of. It is not the worker alone who does: where
    # workers are started for the messages there are, nobody else would ever find a job whose message was lost.
    announce_s: float = 15.0
    # Up to how many messages for one queue a look makes: what a scaler sees of a backlog.
    wakeups_max: int = 100
    connect_s: float = 3.0
    # Of one request other than a receive, which waits for `wait_s` longer.
    response_s: float = 5.0
    # Of one call with its second attempt, and what it costs to make the client before the first.
    call_s: float = 15.0
    # Finished messages are gathered for so long, so that one call deletes ten.
    delete_linger_s: float = 0.2
    retry_s_max: float = 15.0
    # A receive that brings nothing and does not wait is not followed by the next at once.
    empty_pause_s: float = 1.0
    # What a process that stops may spend on telling SQS so.
    close_s: float = 2.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0:
                raise ValueError(f"SqsLimits: {name} must be more than 0, not {value}")
        if self.wait_s > WAIT_S_MAX:
            raise ValueError(f"SqsLimits: wait_s ({self.wait_s}) must be at most {WAIT_S_MAX}, as SQS has it")
