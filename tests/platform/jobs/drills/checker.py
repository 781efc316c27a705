"""`python -m tests.platform.jobs.drills.checker FILE`: judges the history of a drill, and knows nothing but the file.

Prints what it counted as JSON; the exit status is 1 where a job was lost, doubled, committed stale, stuck or late.
"""

import json
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.platform.jobs.drills.history import History

ENDED = frozenset({"succeeded", "dead", "cancelled"})


class EmptyHistory(Exception):
    """There is nothing to judge, and nothing is no success."""


@dataclass(frozen=True)
class Report:
    """What a history shows; everything in `problems` must be empty."""

    drill: str
    jobs: int
    attempts: int
    kills: Mapping[str, int]
    orphans: int
    restart_p50_s: float | None
    restart_p99_s: float | None
    restart_max_s: float | None
    problems: Mapping[str, Sequence[str]]

    @property
    def is_clean(self) -> bool:
        return not any(self.problems.values())


def check(history: History) -> Report:
    """Judge a history; raises EmptyHistory for one that tells of nothing."""
    if not history.acknowledged or not history.jobs:
        raise EmptyHistory(f"The history of '{history.drill}' has no jobs: nothing was tried.")
    rows = {row.job_id: row for row in history.jobs}
    effects: dict[str, list[int]] = defaultdict(list)
    for effect in history.ledger:
        effects[effect.job_id].append(effect.fence)
    poison = frozenset(history.poison)
    known = frozenset(history.acknowledged) | frozenset(history.in_doubt)
    restarts, never = _restarts(history)
    limit_s = history.lease_s + history.restart_slack_s
    late = [f"{job_id}: {waited_s:.1f} s" for job_id, waited_s in restarts if waited_s > limit_s]
    problems = {
        # Promised, and neither there nor done; a dead letter that no poison explains is as good as lost.
        "lost": [
            job_id
            for job_id in history.acknowledged
            if job_id not in rows
            or (rows[job_id].state == "succeeded" and not effects[job_id])
            or (rows[job_id].state == "dead" and job_id not in poison)
        ],
        "doubled": [job_id for job_id, fences in effects.items() if len(fences) > 1],
        # Written under another fence than the one under which the job succeeded, or by a job that did not.
        "stale": [
            job_id
            for job_id, fences in effects.items()
            if job_id in rows and (rows[job_id].state != "succeeded" or any(f != rows[job_id].fence for f in fences))
        ],
        "stuck": [row.job_id for row in history.jobs if row.state not in ENDED],
        "unknown": sorted(set(effects) - known),
        "not_dead": [job_id for job_id in poison if job_id not in rows or rows[job_id].state != "dead"],
        "never_restarted": never,
        "late": late,
    }
    waits = sorted(waited_s for _, waited_s in restarts)
    return Report(
        drill=history.drill,
        jobs=len(history.acknowledged),
        attempts=sum(row.attempt for row in history.jobs),
        kills=dict(Counter(kill.point for kill in history.kills)),
        orphans=len(restarts),
        restart_p50_s=percentile(waits, 0.5),
        restart_p99_s=percentile(waits, 0.99),
        restart_max_s=waits[-1] if waits else None,
        problems=problems,
    )


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Return the value below which at least `share` of the ordered ones lie, or None where there are none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def _restarts(history: History) -> tuple[list[tuple[str, float]], list[str]]:
    """Return how long each orphan waited until it ran again, and the orphans that never did.

    One that committed in its worker's last moment is none. That a job ran again is told by the attempt itself, or by
    a later kill that found it running.
    """
    seen: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for start in history.starts:
        seen[start.job_id].append((start.fence, start.at_s))
    for kill in history.kills:
        for orphan in kill.orphans:
            seen[orphan.job_id].append((orphan.fence, kill.at_s))
    final = {row.job_id: row.fence for row in history.jobs}
    waits: list[tuple[str, float]] = []
    never: list[str] = []
    for kill in history.kills:
        for orphan in kill.orphans:
            if final.get(orphan.job_id) == orphan.fence:
                continue
            later = [at_s for fence, at_s in seen[orphan.job_id] if fence > orphan.fence]
            if later:
                waits.append((orphan.job_id, min(later) - kill.at_s))
            else:
                never.append(orphan.job_id)
    return waits, never


def main(path: Path) -> int:
    try:
        report = check(History.load(path))
    except EmptyHistory as empty:
        print(empty, file=sys.stderr)
        return 1
    print(json.dumps({**asdict(report), "is_clean": report.is_clean}))
    return 0 if report.is_clean else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
