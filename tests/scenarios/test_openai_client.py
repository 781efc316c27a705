"""The official client works as it is: the README's quick start, step by step."""

import pytest
from openai import AuthenticationError, BadRequestError, NotFoundError

from tests.support.system import TestSystem

TEXT = b"# Tariffs\n\nThe winter tariff of the harbour ferry is 4.20 pounds for a single crossing.\n"


async def test_quick_start(system: TestSystem) -> None:
    client = system.openai(await system.member())
    store = await client.vector_stores.create(name="ferry")
    file = await client.files.create(file=("tariffs.md", TEXT), purpose="assistants")
    added = await client.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id, poll_interval_ms=50)
    assert added.status == "completed", added.last_error

    found = await client.vector_stores.search(store.id, query="price of a ferry in winter")
    assert "4.20 pounds" in found.data[0].content[0].text
    assert found.data[0].filename == "tariffs.md"

    deltas, annotations, completed = [], [], None
    stream = await client.responses.create(
        model="assistant/default",
        input="What is the winter tariff of the harbour ferry?",
        tools=[{"type": "file_search", "vector_store_ids": [store.id]}],
        include=["file_search_call.results"],
        stream=True,
    )
    kinds = []
    async for event in stream:
        kinds.append(event.type)
        if event.type == "response.output_text.delta":
            deltas.append(event.delta)
        elif event.type == "response.output_text.annotation.added":
            annotations.append(event.annotation)
        elif event.type == "response.completed":
            completed = event.response
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert completed is not None
    assert completed.output_text == "".join(deltas)
    assert "4.20 pounds" in completed.output_text
    assert annotations[0].file_id == file.id
    assert completed.output[0].results[0].file_id == file.id

    follow_up = await client.responses.create(
        model="assistant/default", input="And for a single crossing?", previous_response_id=completed.id
    )
    assert follow_up.previous_response_id == completed.id

    models = [model.id async for model in client.models.list()]
    assert {"assistant/default", "minilm-l6-v2-int8"} <= set(models)
    made = await client.embeddings.create(model="minilm-l6-v2-int8", input=["a ferry", "a ship"])
    assert len(made.data) == 2
    assert sum(value * value for value in made.data[0].embedding) == pytest.approx(1, abs=1e-3)


async def test_chat_completions(system: TestSystem) -> None:
    member = await system.member()
    client = system.openai(member)
    store_id = await member.make_store()
    await member.add("tariffs.md", TEXT.decode(), store_id=store_id)
    messages = [{"role": "user", "content": "What is the winter tariff of the harbour ferry?"}]
    answer = await client.chat.completions.create(model="assistant/default", messages=messages)  # type: ignore[arg-type]
    assert "4.20 pounds" in (answer.choices[0].message.content or "")
    chunks = await client.chat.completions.create(model="assistant/default", messages=messages, stream=True)  # type: ignore[call-overload]
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])
    assert text == answer.choices[0].message.content


async def test_errors_have_openais_shape(system: TestSystem) -> None:
    member = await system.member()
    client = system.openai(member)
    with pytest.raises(NotFoundError) as missing:
        await client.files.retrieve("file-00000000000000000000000000000000")
    assert missing.value.body == {  # type: ignore[comparison-overlap]
        "message": "No file found with id 'file-00000000000000000000000000000000'.",
        "type": "invalid_request_error",
        "param": None,
        "code": "not_found",
    }
    with pytest.raises(BadRequestError, match="limit is 1 to 100, not 1000"):
        await client.files.list(limit=1000)
    with pytest.raises(BadRequestError, match="web_search"):
        await client.responses.create(model="assistant/default", input="x", tools=[{"type": "web_search"}])  # type: ignore[arg-type]
    client.api_key = "wrong"
    with pytest.raises(AuthenticationError):
        await client.models.list()


async def test_history_is_kept_by_each_name_of_a_conversation(system: TestSystem) -> None:
    member = await system.member()
    client = system.openai(member)
    store_id = await member.make_store()
    await member.add("tariffs.md", TEXT.decode(), store_id=store_id)
    first = await client.responses.create(
        model="assistant/default", input="What is the winter tariff of the ferry?", metadata={"conversation_id": "x"}
    )
    conversation = first.conversation.id if first.conversation else ""
    second = await client.responses.create(
        model="assistant/default", input="And what is it for a single crossing?", metadata={"conversation_id": "x"}
    )
    third = await client.responses.create(model="assistant/default", input="And in winter?", conversation=conversation)
    assert {second.conversation and second.conversation.id, third.conversation and third.conversation.id} == {
        conversation
    }
    assert "4.20" in third.output_text, "the question alone has no word of the ferry; the history does"
    with pytest.raises(BadRequestError, match="Name the conversation once"):
        await client.responses.create(
            model="assistant/default", input="x", conversation=conversation, previous_response_id=first.id
        )
