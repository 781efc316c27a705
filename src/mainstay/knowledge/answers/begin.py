"""The first step of an answer: who asks what of which stores in which conversation."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from mainstay.control.access.models import Caller
from mainstay.control.audit import service as audit
from mainstay.kernel.errors import Invalid
from mainstay.kernel.ids import encode_id, new_id, not_found
from mainstay.kernel.paging import PageRequest
from mainstay.knowledge.answers import store
from mainstay.knowledge.answers.errors import NothingToSearch, QuestionTooLong
from mainstay.knowledge.answers.models import QUESTION_CHARS_MAX, STORES_MAX, Answer, Question, Turn
from mainstay.knowledge.assistants.models import Assistant
from mainstay.knowledge.documents import service as documents
from mainstay.knowledge.documents import versions
from mainstay.platform.postgres import ReadTx, WriteTx

CONVERSATION_KEY_MAX = 256


@dataclass(frozen=True)
class Begun:
    """An answer that is stored as running, and what it goes on from."""

    answer: Answer
    turns: Sequence[Turn]


async def begin(tx: WriteTx, caller: Caller, question: Question, assistant: Assistant, *, deadline_s: float) -> Begun:
    """Check the question, find its stores and conversation, and note that an answer has begun."""
    _check(question)
    store_ids = await _stores(tx, question.store_ids)
    conversation_id = await _conversation(tx, caller, question)
    turns = question.turns or await store.list_turns(
        tx, conversation_id, question.previous_id, limit=assistant.history_turns_max
    )
    answer_id = new_id()
    created_at = await store.insert_answer(
        tx,
        answer_id=answer_id,
        visibility="private",
        conversation_id=conversation_id,
        previous_id=question.previous_id,
        store_ids=store_ids,
        assistant=assistant.name,
        question=question.text,
        options=question.options,
        deadline_s=deadline_s,
    )
    await audit.record(tx, "answer.begin", target_id=encode_id("resp_", answer_id))
    answer = Answer(
        id=answer_id,
        owner_id=caller.principal_id,
        conversation_id=conversation_id,
        previous_id=question.previous_id,
        request_id=tx.scope.request_id,
        assistant=assistant.name,
        question=question.text,
        state="running",
        created_at=created_at,
        store_ids=tuple(store_ids),
        options=question.options,
    )
    return Begun(answer, turns[-assistant.history_turns_max :])


def _check(question: Question) -> None:
    if not question.text.strip():
        raise Invalid("The question is empty; write one.", param="input")
    if len(question.text) > QUESTION_CHARS_MAX:
        raise QuestionTooLong(
            f"The question has {len(question.text)} characters; at most {QUESTION_CHARS_MAX} are taken.", param="input"
        )
    if len(question.store_ids) > STORES_MAX:
        raise Invalid(
            f"{len(question.store_ids)} stores were named; at most {STORES_MAX} are searched for one answer.",
            param="vector_store_ids",
        )
    if question.options.filters is not None:
        versions.check_filters(question.options.filters)
    named = [question.previous_id, question.conversation_id, question.conversation_key]
    if sum(name is not None for name in named) > 1:
        raise Invalid(
            "Name the conversation once: by previous_response_id, conversation or metadata.conversation_id.",
            param="conversation",
        )
    key = question.conversation_key
    if key is not None and not 1 <= len(key) <= CONVERSATION_KEY_MAX:
        raise Invalid(
            f"metadata.conversation_id has 1 to {CONVERSATION_KEY_MAX} characters, not {len(key)}.", param="metadata"
        )


async def _stores(tx: ReadTx, named: Sequence[UUID]) -> list[UUID]:
    """Return the stores named, each proved visible, or the newest visible ones where none is."""
    if named:
        store_ids = list(dict.fromkeys(named))
        for store_id in store_ids:
            await documents.require_sight_of_store(tx, store_id)
        return store_ids
    found = [one.id for one in (await documents.page_stores(tx, PageRequest(limit=STORES_MAX))).rows]
    if not found:
        raise NothingToSearch("There is no store to search yet: add documents with `mainstay ingest PATH`.")
    return found


async def _conversation(tx: WriteTx, caller: Caller, question: Question) -> UUID:
    if question.previous_id is not None:
        previous = await store.find_answer(tx, question.previous_id)
        if previous is None:
            raise not_found("resp_", question.previous_id)
        return previous.conversation_id
    if question.conversation_id is not None:
        if not await store.has_conversation(tx, question.conversation_id):
            raise not_found("conv_", question.conversation_id)
        return question.conversation_id
    return await store.insert_conversation(tx, visibility="private", external_id=question.conversation_key)
