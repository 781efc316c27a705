"""The rest of the Responses API through the official client: what is kept, cut short, branched and deleted."""

import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError

from mainstay.control.access.models import Role
from mainstay.kernel.ids import decode_id, new_id
from mainstay.platform.postgres import Database, Scope
from mainstay.platform.postgres.queries import parse_queries
from tests.support.database import SCOPE_KEY
from tests.support.system import Member, TestSystem

MODEL = "assistant/default"
NOTES = (
    "# Ferry\n\nThe winter tariff of the harbour ferry is 4.20 pounds for a single crossing. "
    "The summer tariff of the harbour ferry is 3.10 pounds for a single crossing.\n"
)
WINTER = "What is the winter tariff of the harbour ferry?"
BOTH = "What are the winter tariff and the summer tariff of the harbour ferry for a single crossing?"


@pytest.fixture(scope="module")
async def member(system: TestSystem) -> Member:
    made = await system.member()
    await made.add("ferry.md", NOTES, store_id=await made.make_store())
    return made


@pytest.fixture(scope="module")
async def client(system: TestSystem, member: Member) -> AsyncOpenAI:
    return system.openai(member)


async def test_what_was_said_with_a_question_is_returned_also_later(client: AsyncOpenAI) -> None:
    metadata = {"order": "A-17", "feature": "help desk"}
    made = await client.responses.create(
        model=MODEL, input=WINTER, metadata=metadata, temperature=0.2, top_p=0.9, max_output_tokens=500
    )
    read = await client.responses.retrieve(made.id)
    for response in (made, read):
        assert response.metadata == metadata
        assert (response.temperature, response.top_p, response.max_output_tokens) == (0.2, 0.9, 500)
        assert (response.status, response.incomplete_details) == ("completed", None)
    assert read.output_text == made.output_text


async def test_model_that_only_quotes_refuses_instructions(client: AsyncOpenAI) -> None:
    with pytest.raises(BadRequestError, match="follows no instructions") as refused:
        await client.responses.create(model=MODEL, input=WINTER, instructions="Answer in French.")
    assert (refused.value.param, refused.value.code) == ("instructions", "unsupported_parameter")
    # A system message, which many frameworks send with everything, is part of the conversation.
    messages = [{"role": "system", "content": "You are polite."}, {"role": "user", "content": WINTER}]
    answer = await client.chat.completions.create(model=MODEL, messages=messages, temperature=0)  # type: ignore[arg-type]
    assert "4.20" in (answer.choices[0].message.content or "")
    with pytest.raises(BadRequestError, match="temperature"):
        await client.responses.create(model=MODEL, input=WINTER, temperature=3)


async def test_answer_cut_by_the_limit_says_so(client: AsyncOpenAI) -> None:
    whole = await client.responses.create(model=MODEL, input=BOTH)
    assert "4.20" in whole.output_text
    assert "3.10" in whole.output_text
    assert whole.status == "completed"

    cut = await client.responses.create(model=MODEL, input=BOTH, max_output_tokens=1)
    for response in (cut, await client.responses.retrieve(cut.id)):
        assert response.status == "incomplete"
        assert response.incomplete_details is not None
        assert response.incomplete_details.reason == "max_output_tokens"
        assert response.output[1].status == "incomplete"  # type: ignore[union-attr]
    assert cut.output_text
    assert len(cut.output_text) < len(whole.output_text)

    events = [
        event
        async for event in await client.responses.create(model=MODEL, input=BOTH, max_output_tokens=1, stream=True)
    ]
    assert events[-1].type == "response.incomplete"
    assert events[-1].response.incomplete_details.reason == "max_output_tokens"  # type: ignore[union-attr]
    assert "response.completed" not in {event.type for event in events}

    messages = [{"role": "user", "content": BOTH}]
    chat = await client.chat.completions.create(model=MODEL, messages=messages, max_completion_tokens=1)  # type: ignore[arg-type]
    assert chat.choices[0].finish_reason == "length"
    chunks = await client.chat.completions.create(model=MODEL, messages=messages, max_tokens=1, stream=True)  # type: ignore[call-overload]
    reasons = [chunk.choices[0].finish_reason async for chunk in chunks]
    assert reasons[-1] == "length"


_WORDS = parse_queries(
    """
-- name: words
-- How much text of an answer, its passages and its quotes is kept.
SELECT length(a.question) + length(a.answer)
       + coalesce((SELECT sum(length(p.passage)) FROM mainstay.answer_passages p WHERE p.answer_id = a.id), 0)
       + coalesce((SELECT sum(length(c.quote)) FROM mainstay.citations c WHERE c.answer_id = a.id), 0)
  FROM mainstay.answers a WHERE a.tenant_id = :tenant_id AND a.id = :id
""",
    origin="tests",
)["words"]


async def words_kept(system: TestSystem, member: Member, answer_id: str) -> int:
    database = await Database.connect(system.urls.app, scope_key=SCOPE_KEY)
    try:
        async with database.read(Scope(member.tenant_id, new_id(), sees_all=True)) as tx:  # type: ignore[arg-type]
            return await tx.fetch_value(_WORDS, id=decode_id("resp_", answer_id))
    finally:
        await database.close()


async def test_deleted_answer_is_gone_with_its_words(system: TestSystem, client: AsyncOpenAI, member: Member) -> None:
    first = await client.responses.create(model=MODEL, input=WINTER)
    second = await client.responses.create(
        model=MODEL, input="And for a single crossing?", previous_response_id=first.id
    )
    assert "4.20" in second.output_text, "the history has the ferry"
    assert await words_kept(system, member, first.id) > len(WINTER) + len(first.output_text)
    await client.responses.delete(first.id)
    assert await words_kept(system, member, first.id) == 0

    for gone in (client.responses.retrieve(first.id), client.responses.delete(first.id)):
        with pytest.raises(NotFoundError, match="No response found"):
            await gone
    with pytest.raises(NotFoundError, match="No response found"):
        await client.responses.create(model=MODEL, input="And?", previous_response_id=first.id)
    await member.call("GET", f"/v1/answers/{first.id}/receipt", status=404)
    assert (await client.responses.retrieve(second.id)).output_text == second.output_text

    audit = await member.call("GET", "/v1/audit?action=answer.delete")
    assert [row["target_id"] for row in audit["data"]] == [first.id]
    usage = await member.call("GET", f"/v1/usage?request_id={(first.model_extra or {})['request_id']}")
    assert {call["answer_id"] for call in usage["data"]} == {first.id}


@pytest.fixture
async def asked(system: TestSystem) -> tuple[Member, Member, str]:
    """An owner, a customer of its tenant, and the path of an answer that the customer asked for."""
    owner = await system.member("owner")
    customer = await system.member("customer", of=owner)
    await customer.add("ferry.md", NOTES, store_id=await customer.make_store())
    answer = await customer.call("POST", "/v1/responses", json={"input": WINTER})
    return owner, customer, f"/v1/responses/{answer['id']}"


async def test_who_asked_deletes_its_answer(asked: tuple[Member, Member, str]) -> None:
    owner, customer, path = asked
    deleted = await customer.call("DELETE", path)
    assert deleted == {"id": path.rpartition("/")[2], "object": "response", "deleted": True}
    await owner.call("GET", path, status=404)


@pytest.mark.parametrize("role", ["owner", "admin"])
async def test_who_may_delete_answers_deletes_those_of_others_and_the_audit_says_whose(
    system: TestSystem, asked: tuple[Member, Member, str], role: Role
) -> None:
    owner, customer, path = asked
    other = await system.member(role, of=owner)
    await other.call("DELETE", path)
    await customer.call("GET", path, status=404)
    (row,) = (await owner.call("GET", "/v1/audit?action=answer.delete"))["data"]
    assert (row["principal_id"], row["target_id"]) == (other.principal_id, path.rpartition("/")[2])
    assert row["facts"]["owner_id"] == customer.principal_id


@pytest.mark.parametrize("role", ["reviewer", "engineer"])
async def test_who_only_sees_an_answer_may_not_delete_it(
    system: TestSystem, asked: tuple[Member, Member, str], role: Role
) -> None:
    owner, _, path = asked
    other = await system.member(role, of=owner)
    await other.call("GET", path)
    refused = await other.call("DELETE", path, status=403)
    assert refused["error"]["code"] == "permission_denied"
    assert "answers.delete" in refused["error"]["message"]
    await owner.call("GET", path)
