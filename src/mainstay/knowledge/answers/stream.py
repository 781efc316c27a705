"""The events of an answer as server-sent events of OpenAI's Responses API, in its order and numbering."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace

import orjson

from mainstay.kernel.errors import MainstayError
from mainstay.kernel.ids import encode_id
from mainstay.knowledge.answers import wire
from mainstay.knowledge.answers.models import Answer, AnswerEvent, Cited, Delta, Ended, Retrieved, Started
from mainstay.knowledge.answers.wire import Json


def sse(event: Json) -> bytes:
    """Return one server-sent event, named by its type."""
    return b"event: " + str(event["type"]).encode() + b"\ndata: " + orjson.dumps(event) + b"\n\n"


class ResponseStream:
    """Turns the events of one answer into those of a stream; numbers them as it goes."""

    def __init__(self, *, with_results: bool) -> None:
        self._with_results = with_results
        self._number = 0
        self._answer: Answer | None = None
        self._text: list[str] = []
        self._citations: list[Cited] = []

    async def encode(self, events: AsyncGenerator[AnswerEvent]) -> AsyncGenerator[bytes]:
        """Yield the stream; an error becomes its one terminal event, and one before the beginning is raised."""
        try:
            async with aclosing(events):
                async for event in events:
                    for made in self._translate(event):
                        yield sse(self._numbered(made))
        except MainstayError as error:
            if self._answer is None:
                raise
            yield sse(self._numbered(self._failure(error.code, error.message)))
        except Exception:
            if self._answer is not None:
                message = "The answer failed; its request id tells where."
                yield sse(self._numbered(self._failure("server_error", message)))
            raise

    def _numbered(self, event: Json) -> Json:
        event["sequence_number"] = self._number
        self._number += 1
        return event

    def _translate(self, event: AnswerEvent) -> Iterator[Json]:
        match event:
            case Started(answer):
                self._answer = answer
                yield {"type": "response.created", "response": self._response(answer)}
                yield {"type": "response.in_progress", "response": self._response(answer)}
                searching = wire.search_call(answer, with_results=False, status="in_progress")
                yield {"type": "response.output_item.added", "output_index": 0, "item": searching}
                yield self._search_event("searching")
            case Retrieved(sources):
                found = replace(self._begun, sources=sources)
                item = wire.search_call(found, with_results=self._with_results)
                yield self._search_event("completed")
                yield {"type": "response.output_item.done", "output_index": 0, "item": item}
                opened = wire.message(self._begun, status="in_progress")
                yield {"type": "response.output_item.added", "output_index": 1, "item": opened}
                part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
                yield self._part("content_part.added", part=part)
            case Delta(text):
                yield self._part("output_text.delta", delta=text, logprobs=[])
            case Cited(citation):
                self._citations.append(event)
                yield self._part(
                    "output_text.annotation.added",
                    annotation_index=len(self._citations) - 1,
                    annotation=wire.annotation(citation),
                )
            case Ended(answer):
                yield self._part("output_text.done", text=answer.answer or "", logprobs=[])
                yield self._part("content_part.done", part=wire.text_part(answer))
                yield {"type": "response.output_item.done", "output_index": 1, "item": wire.message(answer)}
                yield {"type": f"response.{wire.status_of(answer)}", "response": self._response(answer)}

    @property
    def _begun(self) -> Answer:
        if self._answer is None:
            raise AssertionError("an answer starts before anything else happens to it")
        return self._answer

    def _search_event(self, what: str) -> Json:
        item_id = f"fs_{self._begun.id.hex}"
        return {"type": f"response.file_search_call.{what}", "output_index": 0, "item_id": item_id}

    def _part(self, what: str, **fields: object) -> Json:
        item_id = encode_id("msg_", self._begun.id)
        return {"type": f"response.{what}", "item_id": item_id, "output_index": 1, "content_index": 0, **fields}

    def _response(self, answer: Answer) -> Json:
        return wire.response(answer, with_results=self._with_results)

    def _failure(self, code: str, message: str) -> Json:
        failed = self._response(replace(self._begun, state="failed", failure_code=code))
        failed["error"] = {"code": code, "message": message}
        return {"type": "response.failed", "response": failed}
