"""The SQL of conversations, answers and receipts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from mainstay.control.access.models import Visibility
from mainstay.kernel.ids import new_id
from mainstay.knowledge.answers.models import Answer, AnswerOptions, Citation, Source, Turn
from mainstay.platform.postgres import KeyholeTx, ReadTx, Record, Scope, WriteTx, load_queries

_QUERIES = load_queries(__package__)
_OPTIONS = tuple(option.name for option in fields(AnswerOptions))
# How many answers back the history of a new one is looked for; those that failed or were deleted count too.
HISTORY_DEPTH_MAX = 100


async def has_conversation(tx: ReadTx, conversation_id: UUID) -> bool:
    """Return whether a conversation is visible."""
    return await tx.fetch_one(_QUERIES["find_conversation"], id=conversation_id) is not None


async def insert_conversation(tx: WriteTx, *, visibility: Visibility, external_id: str | None) -> UUID:
    """Return the id of a new conversation, or of the caller's own one called `external_id`."""
    conversation_id = new_id()
    await tx.execute(_QUERIES["claim_conversation"], id=conversation_id, visibility=visibility, external_id=external_id)
    if external_id is None:
        return conversation_id
    return await tx.fetch_value(_QUERIES["find_conversation_named"], external_id=external_id)


async def insert_answer(
    tx: WriteTx,
    *,
    answer_id: UUID,
    visibility: Visibility,
    conversation_id: UUID,
    previous_id: UUID | None,
    store_ids: Sequence[UUID],
    assistant: str,
    question: str,
    options: AnswerOptions,
    deadline_s: float,
) -> datetime:
    """Note that an answer has begun, and return when."""
    return await tx.change_value(
        _QUERIES["insert_answer"],
        id=answer_id,
        visibility=visibility,
        conversation_id=conversation_id,
        previous_id=previous_id,
        store_ids=list(store_ids),
        request_id=tx.scope.request_id,
        assistant=assistant,
        question=question,
        deadline_s=deadline_s,
        **asdict(options),
    )


async def find_answer(tx: ReadTx, answer_id: UUID) -> Answer | None:
    """Return one visible answer, without its sources."""
    row = await tx.fetch_one(_QUERIES["find_answer"], id=answer_id)
    if row is None:
        return None
    answer: dict[str, Any] = {**row, "store_ids": tuple(row["store_ids"])}
    options = AnswerOptions(**{name: answer.pop(name) for name in _OPTIONS})
    return Answer(**answer, options=options)


async def list_turns(tx: ReadTx, conversation_id: UUID, previous_id: UUID | None, *, limit: int) -> Sequence[Turn]:
    """Return the last completed turns that lead to an answer, or to the newest of a conversation, oldest first."""
    rows = await tx.fetch(
        _QUERIES["list_turns"],
        conversation_id=conversation_id,
        previous_id=previous_id,
        depth_max=HISTORY_DEPTH_MAX,
        limit=limit,
    )
    return [Turn(row["question"], row["answer"]) for row in reversed(rows)]


async def finish_answer(tx: WriteTx, answer: Answer) -> datetime | None:
    """Store how an answer ended; None where it had been ended already."""
    return await tx.change_value(
        _QUERIES["finish_answer"],
        id=answer.id,
        state=answer.state,
        answer=answer.answer,
        incomplete_reason=answer.incomplete_reason,
        refused=answer.refused,
        failure_code=answer.failure_code,
        prompt_name=answer.prompt_name,
        prompt_version=answer.prompt_version,
        provider=answer.provider,
        model=answer.model,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        cost_usd_nanos=answer.cost_usd_nanos,
        stages_ms=dict(answer.stages_ms) if answer.stages_ms is not None else None,
    )


async def delete_answer(tx: WriteTx, answer_id: UUID) -> bool:
    """Delete an answer with its passages and quotes; False where it was deleted already."""
    if not await tx.execute(_QUERIES["delete_answer"], id=answer_id):
        return False
    await tx.execute(_QUERIES["delete_citations"], answer_id=answer_id)
    await tx.execute(_QUERIES["delete_passages"], answer_id=answer_id)
    return True


async def insert_receipt(tx: WriteTx, answer: Answer) -> None:
    """Keep the passages and quotes of an answer."""
    passages = [{**asdict(source), "heading_path": list(source.heading_path)} for source in answer.sources]
    await tx.execute_many(_QUERIES["insert_passage"], [{**passage, "answer_id": answer.id} for passage in passages])
    await tx.execute_many(_QUERIES["insert_citation"], [_citation_row(answer.id, one) for one in answer.citations])


def _citation_row(answer_id: UUID, citation: Citation) -> Mapping[str, object]:
    return {
        "answer_id": answer_id,
        "ordinal": citation.ordinal,
        "rank": citation.source.rank,
        "quote": citation.quote,
        "start_char": citation.start_char,
        "end_char": citation.end_char,
        "page": citation.page,
        "answer_index": citation.answer_index,
    }


async def with_receipt(tx: ReadTx, answer: Answer) -> Answer:
    """Return a visible answer with its sources and citations."""
    rows = await tx.fetch(_QUERIES["list_passages"], answer_id=answer.id)
    sources = [_source(row) for row in rows]
    by_rank = {source.rank: source for source in sources}
    citations = [
        Citation(
            ordinal=row["ordinal"],
            source=by_rank[row["rank"]],
            quote=row["quote"],
            start_char=row["start_char"],
            end_char=row["end_char"],
            page=row["page"],
            answer_index=row["answer_index"],
        )
        for row in await tx.fetch(_QUERIES["list_citations"], answer_id=answer.id)
    ]
    return replace(answer, sources=sources, citations=citations)


def _source(row: Record) -> Source:
    source: dict[str, Any] = {**row, "heading_path": tuple(row["heading_path"])}
    return Source(**source)


async def overdue(tx: KeyholeTx, *, limit: int) -> Sequence[tuple[Scope, UUID]]:
    """Return answers of any tenant that a crash left running, each with the scope in which to end it."""
    rows = await tx.fetch(_QUERIES["overdue_answers"], limit=limit)
    return [
        (Scope(row["tenant_id"], row["owner_id"], sees_all=True, request_id="sweeper"), row["answer_id"])
        for row in rows
    ]
