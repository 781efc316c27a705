"""A provider that answers 429: its whole queue waits for it, on every worker, and no job pays with an attempt."""

import asyncio

import pytest

from mainstay.control.gateway.errors import ModelThrottled
from mainstay.control.gateway.providers.openai_compatible import OpenAiCompatibleEmbeddings, Retries
from mainstay.platform.jobs import JobRun, Queue, Throttled
from tests.platform.jobs.conftest import Lab
from tests.support.jobs import QUICK, commit_effect, enqueue_many, eventually
from tests.support.openai_server import embeddings, failure, openai_server

RETRY_AFTER_S = 2
JOBS = 12


@pytest.mark.parametrize("slots", [1, 4])
async def test_no_call_reaches_a_provider_that_asks_for_patience(lab: Lab, slots: int) -> None:
    """Two workers call a stand-in over sockets; its first answer is 429 with Retry-After, all others are vectors."""
    clock = asyncio.get_running_loop().time
    refused_at: list[float] = []
    called_at: list[float] = []
    refusal = failure(429, "slow down", **{"retry-after": str(RETRY_AFTER_S)})
    async with openai_server(refusal, embeddings([(3, 4)])) as server:
        model = OpenAiCompatibleEmbeddings(
            server.url, "stand-in", "sk-secret", dimensions=2, retries=Retries(waits_when_throttled=False)
        )

        async def embed(run: JobRun) -> None:
            called_at.append(clock())
            try:
                await model.embed(["a text"])
            except ModelThrottled as throttled:
                refused_at.append(clock())
                raise Throttled(throttled.retry_after_s, reason=throttled.message) from throttled
            await commit_effect(run)

        handler = lab.handler(embed, attempts_max=1)
        await enqueue_many(lab.database, lab.tenant.admin, handler.kind, JOBS)
        rules = [Queue(lab.queue, concurrency_max=slots)]

        async def are_done() -> bool:
            return await lab.are_all("succeeded")

        async with (
            lab.working(handler, limits=QUICK, queues=rules),
            lab.working(handler, limits=QUICK, queues=rules),
        ):
            await eventually(are_done)
        await model.close()
    assert len(refused_at) == 1
    assert len(server.requests) == len(called_at) == JOBS + 1, "the stand-in was called once for each start of a job"
    # Those that were under way when the refusal came had called already; a cap of one leaves none.
    during = [at for at in called_at if refused_at[0] < at < refused_at[0] + RETRY_AFTER_S]
    assert len(during) <= slots - 1, during
    rows = await lab.table.connection.fetch("SELECT attempt FROM mainstay.jobs WHERE queue = $1", lab.queue)
    assert {row["attempt"] for row in rows} == {1}
    assert len(await lab.table.effects(lab.queue)) == JOBS


@pytest.mark.parametrize("waits", [True, False])
async def test_client_waits_for_its_provider_only_where_no_queue_does(waits: bool) -> None:
    async with openai_server(failure(429, **{"retry-after": "0"}), embeddings([(3, 4)])) as server:
        retries = Retries(backoff_base_s=0.01, waits_when_throttled=waits)
        model = OpenAiCompatibleEmbeddings(server.url, "stand-in", "k", dimensions=2, retries=retries)
        if waits:
            await model.embed(["a"])
        else:
            with pytest.raises(ModelThrottled) as caught:
                await model.embed(["a"])
            assert caught.value.retry_after_s == 0
        await model.close()
    assert len(server.requests) == (2 if waits else 1)
