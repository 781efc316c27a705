"""The history of an answer is what it goes on from: its parent and before, not whatever else its conversation has."""

from collections.abc import Sequence
from itertools import count
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mainstay.kernel.ids import new_id
from mainstay.knowledge.answers import store
from mainstay.knowledge.answers.models import Answer, AnswerOptions
from mainstay.platform.postgres import Database, WriteTx
from tests.support.tenants import TestTenant

# Ids of one millisecond have no order, and these answers are asked faster than that.
_ids = count(new_id().int)


async def add_answer(tx: WriteTx, conversation_id: UUID, previous_id: UUID | None, name: str) -> UUID:
    """Add a completed answer whose question and text are `name`."""
    answer_id = UUID(int=next(_ids))
    created_at = await store.insert_answer(
        tx,
        answer_id=answer_id,
        visibility="private",
        conversation_id=conversation_id,
        previous_id=previous_id,
        store_ids=[],
        assistant="default",
        question=name,
        options=AnswerOptions(),
        deadline_s=60,
    )
    ended = Answer(
        answer_id,
        tx.scope.principal_id,
        conversation_id,
        previous_id,
        "none",
        "default",
        name,
        "completed",
        created_at,
        answer=name,
    )
    assert await store.finish_answer(tx, ended)
    return answer_id


async def history(tx: WriteTx, conversation_id: UUID, previous_id: UUID | None, *, limit: int = 50) -> list[str]:
    return [turn.question for turn in await store.list_turns(tx, conversation_id, previous_id, limit=limit)]


# For each answer the one before it that it names, counted from the newest, or None where it names the conversation.
PARENTS = st.lists(st.none() | st.integers(min_value=1, max_value=8), max_size=12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PARENTS, st.sets(st.integers(min_value=0, max_value=11), max_size=3))
async def test_history_is_the_line_of_ancestors(
    database: Database, tenant: TestTenant, parents: Sequence[int | None], deleted: set[int]
) -> None:
    async with database.write(tenant.admin, unaudited="a test") as tx:
        conversation_id = await store.insert_conversation(tx, visibility="private", external_id=None)
        ids: list[UUID] = []
        lines: list[list[int]] = []
        for number, back in enumerate(parents):
            parent = None if not ids else number - 1 if back is None else max(0, number - back)
            named = ids[parent] if parent is not None and back is not None else None
            ids.append(await add_answer(tx, conversation_id, named, str(number)))
            lines.append([*(lines[parent] if parent is not None else []), number])
        for number in deleted & set(range(len(ids))):
            assert await store.delete_answer(tx, ids[number])
        for number, line in enumerate(lines):
            left = [str(one) for one in line if one not in deleted]
            assert await history(tx, conversation_id, ids[number]) == left
            assert await history(tx, conversation_id, ids[number], limit=2) == left[-2:]
        newest = [str(one) for one in lines[-1] if one not in deleted] if lines else []
        assert await history(tx, conversation_id, None) == newest


async def test_two_answers_of_one_parent_do_not_see_each_other(database: Database, tenant: TestTenant) -> None:
    async with database.write(tenant.admin, unaudited="a test") as tx:
        conversation_id = await store.insert_conversation(tx, visibility="private", external_id=None)
        parent = await add_answer(tx, conversation_id, None, "parent")
        left = await add_answer(tx, conversation_id, parent, "left")
        right = await add_answer(tx, conversation_id, parent, "right")
        assert await history(tx, conversation_id, left) == ["parent", "left"]
        assert await history(tx, conversation_id, right) == ["parent", "right"]
        assert await history(tx, conversation_id, None) == ["parent", "right"], "the newest of the conversation"
