"""What is known of a drill when it is over, in a file: what was promised, done, and broken meanwhile."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

# Where a worker can be killed in the life of a job: before its effect, with its effect written and not committed, while
# it commits, after the commit and before the worker knows.
POINTS = ("before", "inside", "committing", "after")
POSTMASTER = "postmaster"


@dataclass(frozen=True)
class Effect:
    """A row of the ledger, which a job writes in its fenced transaction."""

    job_id: str
    fence: int


@dataclass(frozen=True)
class Start:
    """The start of an attempt that was not the first, by the clock of the database."""

    job_id: str
    fence: int
    at_s: float


@dataclass(frozen=True)
class Orphan:
    """A job that ran under a fence when its worker was killed."""

    job_id: str
    fence: int


@dataclass(frozen=True)
class Kill:
    """What was killed at which point and when, and the jobs that it held."""

    point: str
    at_s: float
    orphans: Sequence[Orphan] = ()


@dataclass(frozen=True)
class JobRow:
    """What the table of jobs says in the end."""

    job_id: str
    state: str
    attempt: int
    fence: int


@dataclass(frozen=True)
class History:
    """One run. `acknowledged` are the jobs whose enqueueing committed, `in_doubt` those of which nobody was told."""

    drill: str
    lease_s: float
    acknowledged: Sequence[str]
    jobs: Sequence[JobRow]
    ledger: Sequence[Effect]
    in_doubt: Sequence[str] = ()
    starts: Sequence[Start] = ()
    kills: Sequence[Kill] = ()
    # Jobs that have to end as dead letters, without an effect.
    poison: Sequence[str] = ()
    # What may come on top of the lease until an orphan runs again.
    restart_slack_s: float = 5.0

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> "History":
        given = json.loads(path.read_text())
        kills = [
            Kill(kill["point"], kill["at_s"], [Orphan(**orphan) for orphan in kill["orphans"]])
            for kill in given.pop("kills")
        ]
        return cls(
            jobs=[JobRow(**row) for row in given.pop("jobs")],
            ledger=[Effect(**row) for row in given.pop("ledger")],
            starts=[Start(**row) for row in given.pop("starts")],
            kills=kills,
            **given,
        )
