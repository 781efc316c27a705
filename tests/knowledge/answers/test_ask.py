"""Answers that do not end by themselves: the client leaves, or the model takes too long."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager

import numpy as np
import pytest

from mainstay.control.access.models import Caller
from mainstay.control.gateway.models import Embeddings
from mainstay.control.gateway.prices import price_nanos
from mainstay.control.gateway.providers.openai_compatible import OpenAiCompatible
from mainstay.control.gateway.service import Gateway
from mainstay.control.metering import service as metering
from mainstay.kernel.errors import NotFound
from mainstay.kernel.ids import new_id
from mainstay.kernel.paging import PageRequest
from mainstay.knowledge.answers import service
from mainstay.knowledge.answers.ask import Ask
from mainstay.knowledge.answers.errors import AnswerTimedOut
from mainstay.knowledge.answers.models import Delta, Question, Retrieved, Started
from mainstay.knowledge.answers.stream import ResponseStream
from mainstay.knowledge.assistants.models import Assistant
from mainstay.platform.http import EventStream
from mainstay.platform.postgres import Database
from mainstay.platform.postgres.queries import parse_queries
from tests.support.openai_server import OpenAiServer, Reply, chunk, openai_server
from tests.support.retrieval import index_texts, make_store
from tests.support.tenants import TestTenant

ASSISTANT = Assistant("default", "answer", "stand-in")
QUESTION = Question("When does the ferry sail?", "assistant/default")
PAUSED = Reply([chunk("The ferry "), chunk("sails")], headers={"content-type": "text/event-stream"}, pause=1)

_LEFT = parse_queries(
    """
-- name: left
-- What is left of the words of the tenant's answers.
SELECT a.question, a.answer, a.state, (SELECT count(*) FROM mainstay.answer_passages) AS passages
  FROM mainstay.answers a WHERE a.tenant_id = :tenant_id
""",
    origin="tests",
)["left"]

_STATES = parse_queries(
    """
-- name: states
-- The states of the tenant's answers.
SELECT state FROM mainstay.answers WHERE tenant_id = :tenant_id
""",
    origin="tests",
)["states"]


class Embedder:
    """Gives every text the same vector."""

    name, provider, dimensions = "stand-in-embedder", "local", 8

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        return Embeddings(np.full((len(texts), 8), 8**-0.5, np.float32), len(texts))


def caller_of(tenant: TestTenant) -> Caller:
    return Caller(tenant.tenant_id, tenant.admin_id, new_id(), "admin", f"req_{new_id().hex}")


@asynccontextmanager
async def asking(
    database: Database, tenant: TestTenant, *, deadline_s: float = 60.0
) -> AsyncGenerator[tuple[Ask, OpenAiServer]]:
    """An Ask whose model sends a piece and then nothing more, and the stand-in behind that."""
    async with database.write(tenant.admin, unaudited="a fixture") as tx:
        await make_store(tx)
    async with openai_server(PAUSED) as server:
        model = OpenAiCompatible(server.url, "stand-in", None)
        ask = Ask(database, Gateway({model.name: model}, Embedder(), price_nanos), deadline_s=deadline_s)
        yield ask, server
        await ask.close()
        await model.close()


async def assert_settled(database: Database, tenant: TestTenant, started: Started, state: str, outcome: str) -> None:
    async with database.read(tenant.admin) as tx:
        answer = await service.require(tx, started.answer.id)
        calls = await metering.page(tx, PageRequest())
    assert answer.state == state
    assert {one.call.kind: one.call.outcome for one in calls.rows} == {"embedding": "completed", "chat": outcome}


async def test_deadline_ends_the_answer_in_whichever_task_waits_for_it(database: Database, tenant: TestTenant) -> None:
    async with asking(database, tenant, deadline_s=1.0) as (ask, _):
        events = ask.events(caller_of(tenant), QUESTION, ASSISTANT)
        # As a server does it: the first event decides on the status, and another task sends the rest.
        started = await anext(events)
        assert isinstance(started, Started)

        async def rest() -> list[object]:
            async with aclosing(events):
                return [event async for event in events]

        with pytest.raises(AnswerTimedOut, match="1 s"):
            await asyncio.wait_for(asyncio.create_task(rest()), 30)
    await assert_settled(database, tenant, started, "failed", "cancelled")


async def test_client_that_leaves_in_the_middle_leaves_a_settled_answer(database: Database, tenant: TestTenant) -> None:
    async with asking(database, tenant) as (ask, server):
        async with aclosing(ask.events(caller_of(tenant), QUESTION, ASSISTANT)) as events:
            seen = [await anext(events)]
            while not isinstance(seen[-1], Delta):
                seen.append(await anext(events))
        await asyncio.wait_for(server.departed.wait(), 30)
    assert isinstance(seen[0], Started)
    await assert_settled(database, tenant, seen[0], "cancelled", "cancelled")


async def test_client_that_leaves_before_the_first_byte_leaves_a_settled_answer(
    database: Database, tenant: TestTenant
) -> None:
    async with asking(database, tenant) as (ask, _):
        encoded = ResponseStream(with_results=False).encode(ask.events(caller_of(tenant), QUESTION, ASSISTANT))
        response = await EventStream.begun(encoded)

        async def gone() -> dict[str, str]:
            return {"type": "http.disconnect"}

        async def send(message: object) -> None:
            return None

        await response({"type": "http", "asgi": {"spec_version": "2.3"}}, gone, send)  # type: ignore[arg-type]
    async with database.read(tenant.admin) as tx:
        (state,) = [row["state"] for row in await tx.fetch(_STATES)]
    assert state == "cancelled"


async def test_answer_deleted_while_it_is_written_leaves_no_words(database: Database, tenant: TestTenant) -> None:
    caller = caller_of(tenant)
    async with database.write(tenant.admin, unaudited="a fixture") as tx:
        await index_texts(tx, await make_store(tx), ["The ferry sails at noon."])
    async with asking(database, tenant) as (ask, _), aclosing(ask.events(caller, QUESTION, ASSISTANT)) as events:
        started, retrieved = await anext(events), await anext(events)
        assert isinstance(started, Started)
        assert isinstance(retrieved, Retrieved)
        assert len(retrieved.sources) == 1
        while not isinstance(await anext(events), Delta):
            pass
        async with database.write(caller.scope) as tx:
            await service.delete(tx, caller, started.answer.id)
    async with database.read(tenant.admin) as tx:
        assert [dict(row) for row in await tx.fetch(_LEFT)] == [
            {"question": "", "answer": None, "state": "cancelled", "passages": 0}
        ]
        with pytest.raises(NotFound):
            await service.require(tx, started.answer.id)
        calls = await metering.page(tx, PageRequest())
    assert {call.answer_id for call in calls.rows} == {started.answer.id}, "what it took is still counted"
