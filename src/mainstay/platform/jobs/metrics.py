"""What workers count. Labels are names from the code, never ids: their number is bounded by what is declared."""

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

# The rate of `succeeded` is a queue's throughput, and that of `retried` its retries.
RUNS = Counter("mainstay_jobs_runs", "Attempts that ended, by outcome.", ["queue", "kind", "outcome"])
SECONDS = Histogram(
    "mainstay_jobs_run_seconds",
    "Duration of attempts, from the start of the handler to its end being written down.",
    ["kind"],
    buckets=(0.005, 0.02, 0.1, 0.5, 1, 2, 5, 15, 60, 300, 1800),
)
SLOTS_TAKEN = Gauge("mainstay_jobs_slots_taken", "Jobs that this worker runs now.")
PROCESSES = Gauge("mainstay_jobs_processes", "Processes of single jobs that this worker has now.")
PROCESSES_ENDED = Counter("mainstay_jobs_processes_ended", "Processes of single jobs that ended, by cause.", ["cause"])
RESCUED = Counter("mainstay_jobs_rescued", "Jobs taken from workers that let their lease run out.", ["queue", "state"])
BURIED = Counter("mainstay_jobs_buried", "Burials of failed and cancelled jobs, by outcome.", ["kind", "outcome"])
PRUNED = Counter("mainstay_jobs_pruned", "Jobs deleted because they finished long ago.")
DUTIES = Counter("mainstay_duties_runs", "Runs of periodic duties, by outcome.", ["duty", "outcome"])
SCHEDULES = Counter(
    "mainstay_schedules_due", "Due times of schedules that this worker took up, by outcome.", ["outcome"]
)
# Of all tenants and workers, so every worker reports the same figures: take the maximum, not the sum.
DEPTH = Gauge("mainstay_jobs_unfinished", "Unfinished jobs in the database, by queue and state.", ["queue", "state"])
DEAD = Gauge("mainstay_jobs_dead", "Dead letters in the database, by queue.", ["queue"])
OLDEST_S = Gauge("mainstay_jobs_oldest_due_seconds", "How long the oldest due job has waited.", ["queue"])


@cache
def runs(queue: str, kind: str, outcome: str) -> Counter:
    """Return the counter of such ends; to find it costs more than to count, and a short job feels it."""
    return RUNS.labels(queue, kind, outcome)


@cache
def seconds(kind: str) -> Histogram:
    """Return the durations of a kind."""
    return SECONDS.labels(kind)
