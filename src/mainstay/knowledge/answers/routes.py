"""Answers over HTTP: `/v1/responses` with the `file_search` tool, as OpenAI has it, and the receipts."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from mainstay.control.access.door import Permitted
from mainstay.kernel.errors import Invalid, Unavailable
from mainstay.kernel.ids import decode_id
from mainstay.knowledge.answers import service, wire
from mainstay.knowledge.answers.ask import Ask
from mainstay.knowledge.answers.models import Answer, AnswerEvent, AnswerOptions, Ended, Question, Turn
from mainstay.knowledge.answers.schemas import (
    FileSearchTool,
    InputMessage,
    ReceiptObject,
    ResponseCreate,
    ResponseObject,
)
from mainstay.knowledge.answers.stream import ResponseStream
from mainstay.knowledge.assistants.service import Assistants
from mainstay.platform.http import Deleted, EventStream, JsonResponse, answers
from mainstay.platform.postgres import Database


class AnswerRoutes:
    """The routes of answers."""

    def __init__(self, database: Database, ask: Ask, assistants: Assistants) -> None:
        self._database = database
        self._ask = ask
        self._assistants = assistants

    def router(self) -> APIRouter:
        """Return the routes to be mounted."""
        router = APIRouter(prefix="/v1", tags=["answers"])
        router.add_api_route(
            "/responses",
            self.create,
            methods=["POST"],
            summary="Ask",
            response_model=None,
            responses=answers(ResponseObject, streams=True),
        )
        router.add_api_route(
            "/responses/{answer_id}",
            self.read,
            methods=["GET"],
            summary="Read an answer",
            response_model=None,
            responses=answers(ResponseObject),
        )
        router.add_api_route("/responses/{answer_id}", self.delete, methods=["DELETE"], summary="Delete an answer")
        router.add_api_route(
            "/answers/{answer_id}/receipt",
            self.receipt,
            methods=["GET"],
            summary="Explain an answer",
            response_model=None,
            responses=answers(ReceiptObject),
        )
        return router

    async def create(self, caller: Permitted, body: ResponseCreate) -> Response:
        """Answer a question from the caller's stores, whole or as a stream of events."""
        assistant = self._assistants.resolve(body.model)
        events = self._ask.events(caller, question_of(body), assistant)
        with_results = wire.RESULTS in (body.include or ())
        if body.stream:
            stream = ResponseStream(with_results=with_results)
            return await EventStream.begun(stream.encode(events))
        answer = await last_answer(events)
        return JsonResponse(wire.response(answer, with_results=with_results))

    async def read(self, caller: Permitted, answer_id: str) -> Response:
        """Read an answer as it was stored."""
        async with self._database.read(caller.scope) as tx:
            answer = await service.require(tx, decode_id("resp_", answer_id))
        return JsonResponse(wire.response(answer))

    async def delete(self, caller: Permitted, answer_id: str) -> Deleted:
        """Delete an answer: its words are removed, and usage and audit stay. Of others only with `answers.delete`."""
        async with self._database.write(caller.scope) as tx:
            await service.delete(tx, caller, decode_id("resp_", answer_id))
        return Deleted(id=answer_id, object="response")

    async def receipt(self, caller: Permitted, answer_id: str) -> Response:
        """Explain an answer: passages, scores, versions, stages, cost, and whether a source has changed since."""
        async with self._database.read(caller.scope) as tx:
            explained = await service.explain(tx, decode_id("resp_", answer_id))
        return JsonResponse(wire.receipt(explained))


async def last_answer(events: AsyncGenerator[AnswerEvent]) -> Answer:
    """Return the answer with which the events end."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Ended):
                return event.answer
    raise Unavailable("The answer ended without a result; ask again.")


def question_of(body: ResponseCreate) -> Question:
    """Return what a request of the Responses API asks."""
    text, turns, system = conversation_of(body.input)
    conversation = (
        body.conversation if isinstance(body.conversation, str) or body.conversation is None else body.conversation.id
    )
    return Question(
        text=text,
        assistant=body.model,
        store_ids=store_ids_of(body.tools),
        previous_id=decode_id("resp_", body.previous_response_id) if body.previous_response_id else None,
        conversation_id=decode_id("conv_", conversation) if conversation else None,
        conversation_key=(body.metadata or {}).get("conversation_id"),
        turns=turns,
        system=system,
        passages_max=min((tool.max_num_results for tool in body.tools if tool.max_num_results), default=None),
        options=AnswerOptions(
            metadata=body.metadata or {},
            instructions=body.instructions or None,
            temperature=body.temperature,
            top_p=body.top_p,
            output_tokens_max=body.max_output_tokens,
            filters=filters_of(body.tools),
        ),
        feature=(body.metadata or {}).get("feature", "answers")[:64] or "answers",
    )


def store_ids_of(tools: Sequence[FileSearchTool]) -> tuple:
    """Return the stores that `file_search` names; what would be ignored in silence is refused."""
    for tool in tools:
        if tool.type != "file_search":
            raise Invalid(f"The tool '{tool.type}' is not known here; only file_search is.", param="tools")
        if (tool.ranking_options or {}).get("score_threshold"):
            raise Invalid("file_search takes no score_threshold yet; leave it out.", param="tools")
    return tuple(decode_id("vs_", store_id) for tool in tools for store_id in tool.vector_store_ids)


def filters_of(tools: Sequence[FileSearchTool]) -> Mapping[str, Any] | None:
    """Return the filter of `file_search`; all stores of an answer are searched with the same one."""
    given = [tool.filters for tool in tools]
    if any(filters != given[0] for filters in given):
        raise Invalid(
            "The file_search tools have different filters; send one tool, or the same filters.", param="tools"
        )
    return given[0] if given else None


def conversation_of(given: str | Sequence[InputMessage]) -> tuple[str, tuple[Turn, ...], str | None]:
    """Return the last question, the turns before it, and what the system messages say."""
    if isinstance(given, str):
        return given, (), None
    asked = [index for index, message in enumerate(given) if message.role == "user"]
    if not asked:
        raise Invalid("There is no message of the role 'user'; the last one is the question.", param="input")
    turns: list[Turn] = []
    question: str | None = None
    for message in given[: asked[-1]]:
        if message.role == "user":
            question = message.text()
        elif message.role == "assistant" and question is not None:
            turns.append(Turn(question, message.text()))
            question = None
    system = "\n\n".join(message.text() for message in given if message.role in ("system", "developer"))
    return given[asked[-1]].text(), tuple(turns), system or None
