"""Chat completions: `model: "assistant/<name>"` is an answer with citations, any other a plain model call."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import orjson
from fastapi import APIRouter
from fastapi.responses import Response

from mainstay.control.access.door import Permitted
from mainstay.control.access.models import Caller
from mainstay.control.gateway.completion import Completed, Completion, PlainChat
from mainstay.control.gateway.models import Message
from mainstay.kernel.errors import MainstayError
from mainstay.kernel.ids import encode_id, new_id
from mainstay.knowledge.answers import wire
from mainstay.knowledge.answers.ask import Ask
from mainstay.knowledge.answers.models import Answer, AnswerEvent, AnswerOptions, Delta, Ended, Question, Started
from mainstay.knowledge.answers.routes import conversation_of, filters_of, last_answer, store_ids_of
from mainstay.knowledge.answers.schemas import ChatCompletion, ChatCompletionCreate
from mainstay.knowledge.answers.wire import Json
from mainstay.knowledge.assistants.service import PREFIX, Assistants
from mainstay.platform.http import EventStream, JsonResponse, answers


class ChatRoutes:
    """The route of chat completions."""

    def __init__(self, ask: Ask, plain: PlainChat, assistants: Assistants) -> None:
        self._ask = ask
        self._plain = plain
        self._assistants = assistants

    def router(self) -> APIRouter:
        """Return the route to be mounted."""
        router = APIRouter(prefix="/v1/chat", tags=["answers"])
        router.add_api_route(
            "/completions",
            self.create,
            methods=["POST"],
            summary="Chat",
            response_model=None,
            responses=answers(ChatCompletion, streams=True),
        )
        return router

    async def create(self, caller: Permitted, body: ChatCompletionCreate) -> Response:
        """Answer as an assistant, or hand the messages to a plain model."""
        if not body.model.startswith(PREFIX):
            return await self._plain_call(caller, body)
        assistant = self._assistants.resolve(body.model)
        events = self._ask.events(caller, _question(body), assistant)
        if body.stream:
            return await EventStream.begun(_answer_chunks(events, body.model, with_usage=body.with_usage()))
        return JsonResponse(_completion_of_answer(await last_answer(events), body.model))

    async def _plain_call(self, caller: Caller, body: ChatCompletionCreate) -> Response:
        messages = tuple(
            Message("system" if message.role == "developer" else message.role, message.text())
            for message in body.messages
        )
        tokens_max = body.max_completion_tokens or body.max_tokens
        call = self._plain.start(
            caller.scope,
            body.model,
            messages,
            output_tokens_max=tokens_max,
            temperature=body.temperature,
            top_p=body.top_p,
        )
        if body.stream:
            return await EventStream.begun(_plain_chunks(call, body.model, with_usage=body.with_usage()))
        return JsonResponse(_completion_of_call(f"chatcmpl-{new_id().hex}", body.model, await call.whole()))


def _question(body: ChatCompletionCreate) -> Question:
    text, turns, system = conversation_of(body.messages)
    metadata = body.metadata or {}
    return Question(
        text=text,
        assistant=body.model,
        store_ids=store_ids_of(body.tools),
        conversation_key=metadata.get("conversation_id"),
        turns=turns,
        system=system,
        options=AnswerOptions(
            metadata=metadata,
            temperature=body.temperature,
            top_p=body.top_p,
            output_tokens_max=body.max_completion_tokens or body.max_tokens,
            filters=filters_of(body.tools),
        ),
        feature=metadata.get("feature", "answers")[:64] or "answers",
    )


def _completion(
    completion_id: str, model: str, text: str, used_in: int, used_out: int, finish_reason: str = "stop"
) -> Json:
    return {
        "id": completion_id,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": finish_reason,
            }
        ],
        "usage": {"prompt_tokens": used_in, "completion_tokens": used_out, "total_tokens": used_in + used_out},
    }


def _completion_of_answer(answer: Answer, model: str) -> Json:
    completion = _completion(
        encode_id("resp_", answer.id),
        model,
        answer.answer or "",
        answer.input_tokens or 0,
        answer.output_tokens or 0,
        _finish_reason(answer),
    )
    completion["choices"][0]["message"]["annotations"] = [wire.annotation(citation) for citation in answer.citations]
    completion["conversation"] = {"id": encode_id("conv_", answer.conversation_id)}
    completion["cost_usd_nanos"] = answer.cost_usd_nanos
    return completion


def _finish_reason(answer: Answer) -> str:
    return {None: "stop", "max_output_tokens": "length", "content_filter": "content_filter"}[answer.incomplete_reason]


def _completion_of_call(completion_id: str, model: str, done: Completed) -> Json:
    return _completion(completion_id, model, done.text, done.input_tokens, done.output_tokens, done.finish_reason)


def _usage_chunk(completion: Json) -> bytes:
    return b"data: " + orjson.dumps({**completion, "object": "chat.completion.chunk", "choices": []}) + b"\n\n"


def _chunk(completion_id: str, model: str, delta: Json, finish_reason: str | None = None, **more: object) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    body = {
        "id": completion_id,
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model,
        "choices": [choice],
        **more,
    }
    return b"data: " + orjson.dumps(body) + b"\n\n"


async def _answer_chunks(events: AsyncGenerator[AnswerEvent], model: str, *, with_usage: bool) -> AsyncGenerator[bytes]:
    """Yield an answer as chunks, its citations with the last one; an error before the first chunk is raised."""
    completion_id = ""
    try:
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Started):
                    completion_id = encode_id("resp_", event.answer.id)
                    yield _chunk(completion_id, model, {"role": "assistant", "content": ""})
                elif isinstance(event, Delta):
                    yield _chunk(completion_id, model, {"content": event.text})
                elif isinstance(event, Ended):
                    done = _completion_of_answer(event.answer, model)
                    annotations = done["choices"][0]["message"]["annotations"]
                    yield _chunk(completion_id, model, {"annotations": annotations}, _finish_reason(event.answer))
                    if with_usage:
                        yield _usage_chunk(done)
    except MainstayError as error:
        if not completion_id:
            raise
        yield _error_chunk(error)
        return
    yield b"data: [DONE]\n\n"


async def _plain_chunks(call: Completion, model: str, *, with_usage: bool) -> AsyncGenerator[bytes]:
    completion_id = f"chatcmpl-{new_id().hex}"
    yield _chunk(completion_id, model, {"role": "assistant", "content": ""})
    try:
        async with aclosing(call.pieces()) as pieces:
            async for text in pieces:
                yield _chunk(completion_id, model, {"content": text})
    except MainstayError as error:
        yield _error_chunk(error)
        return
    done = call.completed("")
    yield _chunk(completion_id, model, {}, done.finish_reason)
    if with_usage:
        yield _usage_chunk(_completion_of_call(completion_id, model, done))
    yield b"data: [DONE]\n\n"


def _error_chunk(error: MainstayError) -> bytes:
    body = {"error": {"message": error.message, "type": "server_error", "param": error.param, "code": error.code}}
    return b"data: " + orjson.dumps(body) + b"\n\n"
