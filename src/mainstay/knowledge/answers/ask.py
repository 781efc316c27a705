"""The flow of an answer: begin, retrieve, write, settle; no transaction is open while a model works.

Whatever happens after the beginning, also when the client leaves in the middle, the answer is settled: its text,
sources, citations, usage and audit in one commit. What a crash leaves running the sweeper ends.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

import structlog

from mainstay.control.access.models import Caller
from mainstay.control.audit import service as audit
from mainstay.control.gateway.models import ChatRequest, Message, Passage, Quote, TextDelta
from mainstay.control.gateway.service import ChatCall, Gateway
from mainstay.control.metering import service as metering
from mainstay.control.metering.models import ModelCall
from mainstay.kernel.clock import Stopwatch
from mainstay.kernel.errors import Invalid, MainstayError
from mainstay.kernel.ids import encode_id
from mainstay.knowledge.answers import store
from mainstay.knowledge.answers.begin import Begun, begin
from mainstay.knowledge.answers.citations import with_citations
from mainstay.knowledge.answers.errors import AnswerTimedOut, InstructionsNotFollowed
from mainstay.knowledge.answers.followup import contextualise
from mainstay.knowledge.answers.models import (
    INSTRUCTIONS_CHARS_MAX,
    Answer,
    AnswerEvent,
    AnswerState,
    Citation,
    Cited,
    Delta,
    Ended,
    IncompleteReason,
    Question,
    Retrieved,
    Source,
    Started,
)
from mainstay.knowledge.answers.sources import find_sources
from mainstay.knowledge.assistants.models import Assistant
from mainstay.knowledge.documents import versions
from mainstay.platform.postgres import Database
from mainstay.prompts import load_prompt

log = structlog.get_logger(__name__)

ANSWER_DEADLINE_S = 300.0
SETTLE_DEADLINE_S = 20.0

# Why a model stopped before its answer was whole, in the words of OpenAI's clients.
_INCOMPLETE: Mapping[str, IncompleteReason] = {"length": "max_output_tokens", "filtered": "content_filter"}


class Ask:
    """Answers questions; one per process, made by bootstrap."""

    def __init__(self, database: Database, gateway: Gateway, *, deadline_s: float = ANSWER_DEADLINE_S) -> None:
        self._database = database
        self._gateway = gateway
        self._deadline_s = deadline_s
        # The event loop itself keeps no task alive.
        self._settling: set[asyncio.Task[Answer]] = set()

    async def close(self) -> None:
        """Wait until every answer that was begun is settled."""
        await asyncio.gather(*self._settling, return_exceptions=True)

    async def events(self, caller: Caller, question: Question, assistant: Assistant) -> AsyncGenerator[AnswerEvent]:
        """Yield what happens until the answer is stored; raises the error that ended it, after storing that it did."""
        question = self._instructed(question, assistant)
        async with self._database.write(caller.scope) as tx:
            deadline_s = self._deadline_s + SETTLE_DEADLINE_S
            begun = await begin(tx, caller, question, assistant, deadline_s=deadline_s)
        writing = _Writing(self._database, self._gateway, caller, question, assistant, begun)
        try:
            async with aclosing(self._in_time(writing.events())) as events:
                async for event in events:
                    yield event
            writing.state = "completed"
        except MainstayError as error:
            writing.fail(error.code)
            raise
        except Exception:
            writing.fail("internal")
            raise
        finally:
            # A client that leaves cancels this task; the settlement goes on in one of its own.
            settled = asyncio.create_task(writing.settle())
            self._settling.add(settled)
            settled.add_done_callback(self._settling.discard)
            answer = await asyncio.shield(settled)
        yield Ended(answer)

    def _instructed(self, question: Question, assistant: Assistant) -> Question:
        """Return the question with all its instructions; raises InstructionsNotFollowed where the model only quotes.

        System messages, which many clients send with everything, are then no more than a part of the conversation.
        """
        options = question.options
        if self._gateway.chat_model(assistant.model).follows_instructions:
            joined = "\n\n".join(part for part in (options.instructions, question.system) if part)
            if len(joined) > INSTRUCTIONS_CHARS_MAX:
                raise Invalid(
                    f"The instructions have {len(joined)} characters; at most {INSTRUCTIONS_CHARS_MAX} are taken.",
                    param="instructions",
                )
            return replace(question, options=replace(options, instructions=joined or None))
        if options.instructions:
            raise InstructionsNotFollowed(
                f"The model {assistant.model} quotes documents and follows no instructions: leave them out, or let an"
                " endpoint write the answers (MAINSTAY_MODEL_URL).",
                param="instructions",
            )
        return question

    async def _in_time(self, events: AsyncGenerator[AnswerEvent]) -> AsyncGenerator[AnswerEvent]:
        """Yield the events that come before the deadline; raises AnswerTimedOut.

        The time is set anew for each: a timeout that stays open over a yield would cancel the task that asked for the
        first event, which is not the one that sends the others.
        """
        deadline = asyncio.get_running_loop().time() + self._deadline_s
        async with aclosing(events):
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        event = await anext(events)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    sentence = f"The answer was not written within {self._deadline_s:g} s; ask again."
                    raise AnswerTimedOut(sentence) from None
                yield event


class _Writing:
    """One answer on its way; its fields are what is known so far, so that it can be settled at any moment."""

    def __init__(
        self,
        database: Database,
        gateway: Gateway,
        caller: Caller,
        question: Question,
        assistant: Assistant,
        begun: Begun,
    ) -> None:
        self._database = database
        self._gateway = gateway
        self._caller = caller
        self._question = question
        self._assistant = assistant
        self._begun = begun
        self._watch = Stopwatch()
        self._prompt = load_prompt(assistant.prompt)
        self._embedding: ModelCall | None = None
        self._chat: ChatCall | None = None
        self._sources: Sequence[Source] = ()
        self._citations: list[Citation] = []
        self._text: list[str] = []
        self._failure_code: str | None = None
        self.state: AnswerState = "cancelled"

    def fail(self, code: str) -> None:
        """Note why the answer ended."""
        self.state, self._failure_code = "failed", code

    async def events(self) -> AsyncGenerator[AnswerEvent]:
        """Yield the beginning, what was retrieved, and the text with its citations."""
        yield Started(self._begun.answer)
        asked = contextualise(self._question.text, self._begun.turns)
        await self._retrieve(asked)
        yield Retrieved(self._sources)
        self._chat = self._gateway.chat(self._assistant.model, self._request(asked))
        passages = {passage.number: passage for passage in _passages(self._sources)}
        async with aclosing(with_citations(self._chat.events(), passages)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    self._text.append(event.text)
                    yield Delta(event.text)
                elif isinstance(event, Quote):
                    citation = await self._cite(event)
                    if citation is not None:
                        yield Cited(citation)
        self._watch.lap("generate")

    async def _retrieve(self, asked: str) -> None:
        embedded = await self._gateway.embed([asked])
        self._embedding = embedded.call
        self._watch.lap("embed")
        async with self._database.read(self._caller.scope) as tx:
            self._sources = await find_sources(
                tx,
                store_ids=self._begun.answer.store_ids,
                filters=self._question.options.filters,
                query=asked,
                vector=embedded.vectors[0],
                passages_max=self._question.passages_max or self._assistant.passages_max,
            )
        self._watch.lap("search")

    def _request(self, asked: str) -> ChatRequest:
        passages = _passages(self._sources)
        options = self._question.options
        system = self._prompt.render(
            passages=passages, question=self._question.text, instructions=options.instructions or ""
        )
        history = [
            message
            for turn in self._begun.turns
            for message in (Message("user", turn.question), Message("assistant", turn.answer))
        ]
        return ChatRequest(
            messages=(Message("system", system), *history, Message("user", self._question.text)),
            question=asked,
            passages=passages,
            output_tokens_max=options.output_tokens_max or self._assistant.output_tokens_max,
            temperature=options.temperature,
            top_p=options.top_p,
        )

    async def _cite(self, quote: Quote) -> Citation | None:
        """Return the citation of a quote once it was found at its offsets in its version, else None."""
        source = next(source for source in self._sources if source.number == quote.passage_number)
        text = source.passage[quote.start_char : quote.end_char]
        start = source.start_char + quote.start_char
        async with self._database.read(self._caller.scope) as tx:
            found = await versions.find_quote(tx, source.version_id, text, start)
        if found is None:
            log.warning("citation_dropped", chunk_id=str(source.chunk_id), reason="quote not found in its version")
            return None
        citation = Citation(
            ordinal=len(self._citations) + 1,
            source=source,
            quote=text,
            start_char=start,
            end_char=start + len(text),
            page=found.page,
            answer_index=quote.answer_index,
        )
        self._citations.append(citation)
        return citation

    async def settle(self) -> Answer:
        """Store how the answer ended, with its receipt, usage and audit, in one commit."""
        async with asyncio.timeout(SETTLE_DEADLINE_S), self._database.write(self._caller.scope) as tx:
            calls = [call for call in (self._embedding, self._chat and self._chat.record()) if call]
            answer = self._ended(calls)
            finished_at = await store.finish_answer(tx, answer)
            if finished_at is not None:
                await store.insert_receipt(tx, answer)
            for call in calls:
                await metering.record(
                    tx,
                    call,
                    feature=self._question.feature,
                    conversation_id=answer.conversation_id,
                    answer_id=answer.id,
                )
            await audit.record(
                tx,
                "answer.finish",
                outcome="answered" if answer.state == "completed" else "failed",
                target_id=encode_id("resp_", answer.id),
                facts={"state": answer.state, "refused": answer.refused, "citations": len(self._citations)},
            )
        return replace(answer, finished_at=finished_at)

    def _ended(self, calls: Sequence[ModelCall]) -> Answer:
        chat = self._chat
        return replace(
            self._begun.answer,
            state=self.state,
            answer="".join(self._text) if self._text or self.state == "completed" else None,
            incomplete_reason=_INCOMPLETE.get(chat.finish_reason or "") if chat and self.state == "completed" else None,
            refused=chat.finish_reason == "refused" if chat else None,
            failure_code=self._failure_code,
            prompt_name=self._prompt.name,
            prompt_version=self._prompt.version,
            provider=chat.model.provider if chat else None,
            model=chat.model.name if chat else None,
            input_tokens=sum(call.input_tokens for call in calls),
            output_tokens=sum(call.output_tokens for call in calls),
            cost_usd_nanos=sum(call.cost_usd_nanos for call in calls),
            stages_ms={**self._watch.stages_ms, "total": self._watch.total_ms()},
            citations=tuple(self._citations),
            sources=tuple(self._sources),
        )


def _passages(sources: Sequence[Source]) -> tuple[Passage, ...]:
    return tuple(
        Passage(
            number=source.number,
            title=source.filename,
            heading_path=source.heading_path,
            text=source.passage,
            lexical_score=source.lexical_score or 0.0,
            vector_score=source.vector_score or 0.0,
        )
        for source in sources
        if source.number is not None
    )
