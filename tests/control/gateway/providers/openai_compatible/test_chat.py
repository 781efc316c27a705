import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.control.gateway.errors import ModelExhausted, ModelMisconfigured, ModelRejected, ModelUnavailable
from mainstay.control.gateway.models import ChatRequest, Finished, Message, TextDelta
from mainstay.control.gateway.providers.openai_compatible import Deadlines, OpenAiCompatible, Retries
from mainstay.control.gateway.providers.openai_compatible.server_sent_events import event_data
from mainstay.kernel.errors import MainstayError
from tests.support.openai_server import DONE, Reply, answer, chunk, failure, openai_server

KEY = "sk-very-secret"
REQUEST = ChatRequest((Message("system", "Be brief."), Message("user", "Hello?")), "Hello?", (), 50)
QUICK = Retries(backoff_base_s=0.01, backoff_max_s=0.02, retry_after_max_s=2.0)


async def collect(url: str, *, deadlines: Deadlines | None = None) -> list:
    model = OpenAiCompatible(url, "stand-in", KEY, deadlines=deadlines, retries=QUICK)
    try:
        return [event async for event in model.stream(REQUEST)]
    finally:
        await model.close()


async def failing(url: str, error: type[MainstayError], *, deadlines: Deadlines | None = None) -> MainstayError:
    with pytest.raises(error) as caught:
        await collect(url, deadlines=deadlines)
    assert KEY not in caught.value.message
    return caught.value


async def test_stand_in_speaks_the_format_of_the_official_client() -> None:
    async with openai_server(answer("Good ", "day")) as server:
        client = openai.AsyncOpenAI(base_url=server.url, api_key=KEY)
        stream = await client.chat.completions.create(
            model="stand-in",
            messages=[{"role": "user", "content": "Hello?"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [one async for one in stream]
        await client.close()
    assert "".join(one.choices[0].delta.content or "" for one in chunks if one.choices) == "Good day"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 7


async def test_request_is_what_the_official_client_sends() -> None:
    async with openai_server(answer("Hi")) as server:
        client = openai.AsyncOpenAI(base_url=server.url, api_key=KEY)
        stream = await client.chat.completions.create(
            model="stand-in",
            messages=[{"role": message.role, "content": message.content} for message in REQUEST.messages],
            stream=True,
            stream_options={"include_usage": True},
            max_tokens=50,
        )
        assert [one async for one in stream]
        await client.close()
        await collect(server.url)
    theirs, ours = server.requests
    assert ours.path == theirs.path == "/v1/chat/completions"
    assert ours.body == theirs.body
    assert ours.headers["authorization"] == theirs.headers["authorization"]


async def test_stream_gives_text_and_the_providers_own_usage() -> None:
    async with openai_server(answer("Good ", "day")) as server:
        events = await collect(server.url)
    assert events == [TextDelta("Good "), TextDelta("day"), Finished("stop", 11, 7)]


async def test_stream_without_usage_is_estimated_and_says_so() -> None:
    async with openai_server(answer("12345678", usage=None)) as server:
        events = await collect(server.url)
    assert events[-1] == Finished("stop", 4, 2, estimated=True)


@pytest.mark.parametrize(("finish", "reason"), [("length", "length"), ("content_filter", "filtered"), ("x", "stop")])
async def test_finish_reason_is_translated(finish: str, reason: str) -> None:
    async with openai_server(answer("a", finish=finish)) as server:
        events = await collect(server.url)
    assert events[-1].reason == reason


async def test_refusal_of_the_model_is_text_and_a_refusal() -> None:
    refusing = Reply([chunk(None, choices=[{"delta": {"refusal": "I won't."}, "finish_reason": "stop"}]), DONE])
    async with openai_server(refusing) as server:
        events = await collect(server.url)
    assert events[0] == TextDelta("I won't.")
    assert events[-1].reason == "refused"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 529])
async def test_status_that_may_pass_is_retried(status: int) -> None:
    async with openai_server(failure(status), failure(status), answer("ok")) as server:
        events = await collect(server.url)
    assert events[0] == TextDelta("ok")
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ModelRejected),
        (401, ModelMisconfigured),
        (402, ModelExhausted),
        (403, ModelMisconfigured),
        (404, ModelMisconfigured),
        (413, ModelRejected),
        (422, ModelRejected),
    ],
)
async def test_status_that_will_not_pass_is_never_retried(status: int, error: type[MainstayError]) -> None:
    async with openai_server(failure(status, f"Incorrect API key provided: {KEY}")) as server:
        await failing(server.url, error)
    assert len(server.requests) == 1


async def test_status_is_retried_at_most_twice() -> None:
    async with openai_server(failure(503, "down for repair")) as server:
        caught = await failing(server.url, ModelUnavailable)
    assert len(server.requests) == 3
    assert "down for repair" in caught.message


async def test_retry_after_is_waited_for() -> None:
    async with openai_server(failure(429, **{"retry-after": "0.3"}), answer("ok")) as server:
        started = asyncio.get_running_loop().time()
        await collect(server.url)
        assert asyncio.get_running_loop().time() - started >= 0.3


async def test_retry_after_beyond_patience_is_exhausted_at_once() -> None:
    async with openai_server(failure(429, **{"retry-after": "3600"})) as server:
        caught = await failing(server.url, ModelExhausted)
    assert len(server.requests) == 1
    assert caught.kind == "exhausted"


async def test_reset_before_the_first_token_is_retried() -> None:
    async with openai_server(Reply([b": hello\n\n"], breaks=True), answer("ok")) as server:
        events = await collect(server.url)
    assert events[0] == TextDelta("ok")


async def test_reset_after_the_first_token_repeats_nothing() -> None:
    async with openai_server(Reply([chunk("half an ")], breaks=True), answer("ok")) as server:
        model = OpenAiCompatible(server.url, "stand-in", KEY, retries=QUICK)
        async with aclosing(model.stream(REQUEST)) as events:
            assert await anext(events) == TextDelta("half an ")
            with pytest.raises(ModelUnavailable):
                await anext(events)
        await model.close()
    assert len(server.requests) == 1


async def test_end_without_a_finish_is_an_error_not_an_answer() -> None:
    async with openai_server(Reply([chunk("half an "), DONE])) as server:
        await failing(server.url, ModelUnavailable)


@pytest.mark.parametrize("body", [b"data: no json\n\n", b"data: []\n\n", b'data: {"choices": [7]}\n\n', b"<html>\n\n"])
async def test_garbage_is_one_clear_error(body: bytes) -> None:
    async with openai_server(Reply([body])) as server:
        await failing(server.url, ModelUnavailable)


async def test_event_without_end_is_cut_off() -> None:
    async with openai_server(Reply([b"data: " + b"x" * 500_000] * 4, pause=3)) as server:
        await failing(server.url, ModelUnavailable)


@pytest.mark.parametrize(("code", "error"), [(400, ModelRejected), ("server_error", ModelUnavailable)])
async def test_error_inside_the_stream_ends_it(code: object, error: type[MainstayError]) -> None:
    said = chunk(error={"message": f"overloaded, {KEY}", "code": code})
    async with openai_server(Reply([said, DONE])) as server:
        caught = await failing(server.url, error)
    assert "overloaded" in caught.message


async def test_silence_before_the_first_byte_has_a_deadline() -> None:
    async with openai_server(Reply(silent=True)) as server:
        await failing(server.url, ModelUnavailable, deadlines=Deadlines(first_byte_s=0.2))
        await asyncio.wait_for(server.departed.wait(), 5)


async def test_silence_between_chunks_has_a_deadline() -> None:
    async with openai_server(Reply([chunk("half"), chunk(" an answer")], pause=1)) as server:
        caught = await failing(server.url, ModelUnavailable, deadlines=Deadlines(between_chunks_s=0.2))
        await asyncio.wait_for(server.departed.wait(), 5)
    assert "in the middle" in caught.message


async def test_whole_call_has_a_deadline() -> None:
    async with openai_server(Reply([chunk("half"), chunk(" an answer")], pause=1)) as server:
        caught = await failing(server.url, ModelUnavailable, deadlines=Deadlines(total_s=0.2))
    assert "too long in all" in caught.message


async def test_closing_the_stream_closes_the_connection() -> None:
    async with openai_server(Reply([chunk("half"), chunk(" an answer")], pause=1)) as server:
        model = OpenAiCompatible(server.url, "stand-in", KEY)
        async with aclosing(model.stream(REQUEST)) as events:
            assert await anext(events) == TextDelta("half")
        await asyncio.wait_for(server.departed.wait(), 1)
        await model.close()


async def test_cancelling_the_task_closes_the_connection() -> None:
    async with openai_server(Reply([chunk("half"), chunk(" an answer")], pause=1)) as server:
        task = asyncio.create_task(collect(server.url))
        await asyncio.wait_for(server.pausing.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.departed.wait(), 1)


async def test_nobody_listening_is_unavailable() -> None:
    async with openai_server(answer("x")) as server:
        url = server.url
    await failing(url, ModelUnavailable)


async def test_key_stands_in_no_representation() -> None:
    model = OpenAiCompatible("http://127.0.0.1:9/v1", "stand-in", KEY)
    assert KEY not in repr(model)
    assert KEY not in repr(vars(model))
    await model.close()


def test_url_without_a_scheme_is_refused() -> None:
    with pytest.raises(ModelMisconfigured, match="http"):
        OpenAiCompatible("api.openai.com/v1", "x", None)


@given(st.lists(st.integers(1, 12), max_size=40), st.sampled_from(["\n", "\r\n", "\r"]))
def test_events_survive_any_cut_of_the_network(sizes: list[int], newline: str) -> None:
    whole = newline.join([": comment", "data: eins", "", "event: x", "data: zwei", "data: drei", "", "data: cut off"])
    raw = whole.encode()

    async def cut() -> AsyncIterator[bytes]:
        position = 0
        for size in [*sizes, len(raw)]:
            yield raw[position : position + size]
            position += size

    async def read() -> list[bytes]:
        return [data async for data in event_data(cut())]

    assert asyncio.run(read()) == [b"eins", b"zwei\ndrei"]
