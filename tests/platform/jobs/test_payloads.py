"""Payloads have the type of their kind, on the way into the table and on the way out."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict

from mainstay.kernel.ids import new_id
from mainstay.platform.jobs import DeadJob, InvalidPayload, JobHandler, JobKind, JobRun
from tests.platform.jobs.conftest import Lab
from tests.support.jobs import eventually


@dataclass(frozen=True)
class Letter:
    letter_id: UUID
    copies: int = 1
    send_at: datetime | None = None


class Parcel(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    parcel_id: UUID
    tags: tuple[str, ...] = ()


@dataclass
class Changeable:
    count: int


@dataclass(frozen=True)
class Unwritable:
    thing: object


def typed(lab: Lab, payload: type, **given: Any) -> JobKind:
    return lab.kind("typed", payload=payload, **given)


@pytest.mark.parametrize(
    "payload",
    [
        Letter(new_id()),
        Letter(new_id(), 3, datetime.fromisoformat("2026-03-29T02:30:00+02:00")),
        Parcel(parcel_id=new_id(), tags=("fragile", "örtlich")),
    ],
)
async def test_handler_gets_what_was_enqueued(lab: Lab, payload: object) -> None:
    seen: list[object] = []

    async def note(run: JobRun) -> None:
        seen.append(run.payload)

    handler = JobHandler(typed(lab, type(payload)), note)
    await lab.enqueue(handler.kind, payload)
    async with lab.working(handler):
        await eventually(lambda: lab.are_all("succeeded"))
    assert seen == [payload]
    assert type(seen[0]) is type(payload)


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        ({"letter_id": str(new_id())}, "needs a Letter"),
        (Parcel(parcel_id=new_id()), "needs a Letter"),
        (Letter("no uuid"), "letter_id"),  # type: ignore[arg-type]
        (Letter(new_id(), copies="three"), "copies"),  # type: ignore[arg-type]
    ],
)
async def test_payload_of_another_type_is_not_enqueued(lab: Lab, payload: object, sentence: str) -> None:
    with pytest.raises(InvalidPayload, match=sentence):
        await lab.enqueue(typed(lab, Letter), payload)
    assert await lab.table.states(lab.queue) == {}


async def test_payload_too_large_is_not_enqueued(lab: Lab) -> None:
    with pytest.raises(InvalidPayload, match="not at most 8192: pass an id"):
        await lab.enqueue(typed(lab, Parcel), Parcel(parcel_id=new_id(), tags=("x" * 9000,)))


@pytest.mark.parametrize("payload", [int, dict, Changeable, Unwritable])
def test_type_that_cannot_be_a_payload_is_refused_where_it_is_declared(payload: type) -> None:
    if payload is Unwritable:
        # Anything is an object, so it is told by the first payload that JSON does not know.
        with pytest.raises(InvalidPayload, match="needs a Unwritable"):
            JobKind("bad", queue="q", timeout_s=1, payload=payload).payloads.write(Unwritable(object()))
        return
    with pytest.raises(ValueError, match=r"'bad': payload \w+ must be a frozen dataclass or a pydantic model"):
        JobKind("bad", queue="q", timeout_s=1, payload=payload)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("priority", 3, "priority must be 0 to 2, not 3"),
        ("memory_mb_max", 1, "memory_mb_max must be at least 128, not 1"),
    ],
)
def test_declaration_beyond_a_limit_is_refused(field: str, value: int, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        JobKind("bad", queue="q", timeout_s=1, **{field: value})


async def test_stored_payload_that_no_longer_fits_is_rejected_at_the_first_attempt(lab: Lab) -> None:
    buried: list[DeadJob] = []

    async def never(_: JobRun) -> None:
        pytest.fail("the handler ran with a payload that does not fit")

    async def on_dead(_: object, dead: DeadJob) -> None:
        buried.append(dead)

    handler = JobHandler(typed(lab, Letter), never, on_dead)
    stored = {"copies": "three", "address": "kept as it is"}
    job_id = await lab.enqueue(handler.kind, Letter(new_id()))
    await lab.table.connection.execute(
        "UPDATE mainstay.jobs SET payload = $1 WHERE id = $2", json.dumps(stored), job_id
    )
    async with lab.working(handler):
        await eventually(lambda: lab.is_in(job_id, "dead"))
    job = await lab.table.job(job_id)
    assert (job["error_code"], job["attempt"]) == ("invalid_payload", 1)
    assert "'typed' job does not fit Letter: letter_id: Field required" in job["error"]
    assert "three" not in job["error"]
    assert [(dead.payload, dead.stored) for dead in buried] == [(None, stored)]


async def test_field_of_another_version_is_passed_over(lab: Lab) -> None:
    kind = typed(lab, Letter)
    letter_id = new_id()
    assert kind.payloads.read({"letter_id": str(letter_id), "colour": "blue"}) == Letter(letter_id)


async def test_dead_letter_tells_its_payload(lab: Lab) -> None:
    buried: list[object] = []

    async def fail(_: JobRun) -> None:
        raise RuntimeError("out of ink")

    async def on_dead(_: object, dead: DeadJob[Letter]) -> None:
        buried.append(dead.payload)

    letter = Letter(new_id(), 2)
    handler = JobHandler(typed(lab, Letter, attempts_max=1), fail, on_dead)
    await lab.enqueue(handler.kind, letter)
    async with lab.working(handler):
        await eventually(lambda: lab.are_all("dead"))
    assert buried == [letter]
