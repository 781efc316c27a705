"""One case carried out and judged: what comes back shows nothing of the victim's, and is what an unknown id gives."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import httpx2

from tests.isolation.attack.cases import Case
from tests.isolation.attack.principals import Attacker
from tests.isolation.things import Things
from tests.isolation.who_may import HOLDERS, permission_for

# What differs between two answers to the same request: ids and moments of ours, and how long it took.
_OURS = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}|\"(?:created_at|last_active_at)\":\d+|:\d+\.\d+")
_HEADERS_OURS = {"date", "x-request-id"}


@dataclass
class Tally:
    """What was tried and what went wrong. A case is tried only after its operation succeeded for its owner."""

    requests: int = 0
    passed: int = 0
    not_tried: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Needles:
    """Whatever must not come back: the canary, ids and names of a victim."""

    things: Things

    def found(self, data: bytes, typed: Iterable[str] = ()) -> list[str]:
        """Return the needles in `data`, not counting values that the attacker sent."""
        text = data.decode("utf-8", "replace")
        for value in sorted(typed, key=len, reverse=True):
            text = text.replace(value, "TYPED").replace(value[-32:], "TYPED")
        compact = text.replace("-", "")
        things = self.things
        found = [needle for needle in (things.canary, *things.names()) if needle in text]
        return found + [needle for needle in things.hexes() if needle in compact]


async def carry_out(attacker: Attacker, case: Case, things: Things, tally: Tally) -> None:
    """Send a case with the victim's ids and again with unknown ones, and judge both answers."""
    needles = Needles(things)
    shares = case.names_members and may_share(attacker, case.operation, things)
    seen, wanted = [], []
    for other in (things, things.unknown()):
        method, path, options, typed = case.request(attacker.own, other)
        response = await attacker.http.request(method, path, **options)
        head = "\n".join(f"{name}: {value}" for name, value in response.headers.items())
        tally.requests += 1
        tally.statuses[response.status_code] = tally.statuses.get(response.status_code, 0) + 1
        told = f"{attacker.name}: {method} {path} {case.foreign and case.places} {case.swapped}"
        if found := needles.found(head.encode() + b"\n\n" + response.content, typed):
            tally.leaks.append(f"{told} answered {response.status_code} with {found}")
        if response.status_code >= 500:
            tally.differences.append(f"{told} answered {response.status_code}")
        if shares:
            missing = first_missing(case, attacker, other, others_are_there=other is things)
            wanted.append((404 if missing else 200, True))
            seen.append((response.status_code, missing in response.text))
        else:
            seen.append(_comparable(response, typed) if case.steady else (response.status_code,))
    if seen != (wanted or [seen[0]] * 2):
        instead = f", not {wanted}" if shares else ""
        tally.differences.append(f"{told}: {seen[0]} for the victim's, {seen[1]} for nobody's{instead}")
    else:
        tally.passed += 1


def may_share(attacker: Attacker, operation: str, things: Things) -> bool:
    """Return whether by the rules the attacker shares what is its own with members of the victim's tenant.

    They are then found by their ids, and ids that no member has are refused.
    """
    member = attacker.member
    return (
        member is not None
        and member.tenant_id.hex == things.tenant_id
        and permission_for(operation) == "documents.share"
        and member.role in HOLDERS["documents.share"]
    )


def first_missing(case: Case, attacker: Attacker, other: Things, *, others_are_there: bool) -> str:
    """Return the first of the principals and groups in a case that its tenant does not have, or nothing."""
    # What may not make a group has made one up.
    makes_groups = attacker.member is not None and attacker.member.role in HOLDERS["members.manage"]
    for outer_id, foreign in case.members(attacker.own, other):
        if not (others_are_there if foreign else makes_groups or not outer_id.startswith("grp_")):
            return outer_id
    return ""


def _comparable(response: httpx2.Response, typed: Iterable[str]) -> tuple[int, str, tuple[tuple[str, str], ...]]:
    body = response.text
    for value in sorted(typed, key=len, reverse=True):
        body = body.replace(value, "TYPED")
    # How much is left of a limit changes with every request.
    headers = tuple(
        sorted((n, v) for n, v in response.headers.items() if n not in _HEADERS_OURS and "ratelimit" not in n)
    )
    return response.status_code, _OURS.sub("OURS", body), headers
