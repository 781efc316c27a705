"""The cases of the attack, generated from the table of operations: which foreign ids stand where in which request."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

from tests.isolation.operations import AUDIENCE, NAMELESS, WAYS, Call, Place, Slot, Way, method_of
from tests.isolation.things import PREFIXES, Things

Smuggled = Literal["header", "query field", "body field", "none"]
# One thing of each kind.
_KINDS = tuple({prefix: thing for thing, prefix in PREFIXES.items()}.values())
_BODY_FIELDS = ("tenant_id", "owner_id", "principal_id", "visibility_of")


@dataclass(frozen=True)
class Case:
    """One request: the slots that hold another's ids, and what else names the other.

    `swapped` is the thing whose bare id stands in the first slot, though the slot is for another kind of thing.
    """

    operation: str
    way: int
    foreign: tuple[Slot, ...]
    swapped: str = ""
    smuggled: Smuggled = "none"

    @property
    def places(self) -> tuple[Place | Smuggled, ...]:
        """Return where the request names another's thing."""
        return (*(slot.place for slot in self.foreign), *([] if self.smuggled == "none" else [self.smuggled]))

    @property
    def steady(self) -> bool:
        """Return whether foreign and unknown ids must be answered in the same words."""
        return self.operation not in NAMELESS and self._way.steady

    @property
    def names_members(self) -> bool:
        """Return whether it names nothing of the other's but principals and groups with whom something is shared."""
        return bool(self.foreign) and not self.swapped and all(slot in AUDIENCE for slot in self.foreign)

    def members(self, own: Things, other: Things) -> list[tuple[str, bool]]:
        """Return the ids of principals and groups in the body, in order, each with whether it is the other's."""
        named = [slot for slot in self._way.slots if slot in AUDIENCE]
        return [(getattr(other if slot in self.foreign else own, slot.thing), slot in self.foreign) for slot in named]

    @property
    def _way(self) -> Way:
        return WAYS[self.operation][self.way]

    def request(self, own: Things, other: Things) -> tuple[str, str, dict[str, Any], frozenset[str]]:
        """Return method, path and options of the request, and the values in it that are the other's."""
        typed = {slot.thing: getattr(other, slot.thing) for slot in self.foreign}
        if self.swapped:
            thing = self.foreign[0].thing
            typed[thing] = PREFIXES[thing] + getattr(other, self.swapped)[-32:]
        path, options = self._call(replace(own, gate=other.gate, **typed))
        if self.smuggled != "none":
            typed["tenant_id"] = other.tenant_id
            options = smuggle(options, self.smuggled, other)
            typed["answer_id"] = other.answer_id
        return method_of(self.operation), path, options, frozenset(typed.values())

    def _call(self, things: Things) -> Call:
        if self.operation not in NAMELESS:
            return self._way.call(things)
        path, options = NAMELESS[self.operation]
        if "name" not in options.get("json", {}):
            return path, options
        # What may stand only once, as a group of one name, would be refused the second time.
        return path, {"json": {**options["json"], "name": f"attack {secrets.token_hex(4)}"}}


def smuggle(options: Mapping[str, Any], how: Smuggled, other: Things) -> dict[str, Any]:
    """Return the options of a request that also says, where nobody asked, that it is the other tenant's."""
    if how == "header":
        told = dict.fromkeys(("x-tenant-id", "openai-organization", "x-forwarded-user"), other.tenant_id)
        # Not the victim's own request id: the attacker's calls would be listed under it, as they should.
        return {**options, "headers": {**told, "x-request-id": other.answer_id}}
    if how == "query field":
        return {**options, "params": {**options.get("params", {}), "tenant_id": other.tenant_id}}
    return {**options, "json": {**options["json"], **dict.fromkeys(_BODY_FIELDS, other.tenant_id)}}


def cases_of(operation: str) -> Iterator[Case]:
    """Yield the cases of one operation: each slot alone, several at once, ids of another kind, and what is smuggled."""
    if operation in NAMELESS:
        hows: tuple[Smuggled, ...] = ("header", "query field")
        yield from (Case(operation, 0, (), smuggled=how) for how in hows)
        return
    for number, way in enumerate(WAYS[operation]):
        for count in range(1, len(way.slots) + 1):
            for slots in combinations(way.slots, count):
                yield Case(operation, number, slots)
        for slot in way.slots:
            if slot.thing in PREFIXES:
                others = (thing for thing in _KINDS if PREFIXES[thing] != PREFIXES[slot.thing])
                yield from (Case(operation, number, (slot,), swapped=thing) for thing in others)
        yield Case(operation, number, way.slots, smuggled="header")
        yield Case(operation, number, way.slots, smuggled="query field")
        if any(slot.place == "body" for slot in way.slots):
            yield Case(operation, number, way.slots, smuggled="body field")
