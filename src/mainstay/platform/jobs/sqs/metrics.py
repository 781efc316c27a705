"""What a process counts of SQS. Labels are names from the code: queues and calls, never ids."""

from prometheus_client import Counter, Gauge

CALLS = Counter("mainstay_sqs_calls", "Calls of SQS, by outcome.", ["call", "outcome"])
ANNOUNCED = Counter(
    "mainstay_jobs_announced", "Wake-ups sent, by reason (commit, look) and outcome.", ["queue", "reason", "outcome"]
)
RECEIVED = Counter("mainstay_jobs_wakeups_received", "Wake-ups received.", ["queue"])
HELD = Gauge("mainstay_jobs_wakeups_held", "Wake-ups that this worker keeps hidden while their jobs run.")
