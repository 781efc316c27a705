"""Stores and their files through the official client: updates, batches, texts, and filters over attributes."""

from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError, ConflictError, NotFoundError

from tests.support.system import Member, TestSystem

UNKNOWN = "01a1fdb30000700080000000000000ff"


async def upload(client: AsyncOpenAI, name: str, text: str) -> str:
    return (await client.files.create(file=(name, text.encode()), purpose="assistants")).id


async def test_store_is_renamed_and_described(system: TestSystem) -> None:
    member = await system.member()
    client = system.openai(member)
    store = await client.vector_stores.create(name="ferry", metadata={"team": "harbour"})
    renamed = await client.vector_stores.update(store.id, name="ships")
    assert (renamed.name, renamed.metadata) == ("ships", {"team": "harbour"})
    described = await client.vector_stores.update(store.id, metadata={"team": "quay"})
    assert (described.name, described.metadata) == ("ships", {"team": "quay"})
    emptied = await client.vector_stores.update(store.id, metadata=None)
    assert (await client.vector_stores.retrieve(store.id)).metadata == emptied.metadata == {}
    audit = await member.call("GET", "/v1/audit?action=store.update")
    assert {row["target_id"] for row in audit["data"]} == {store.id}
    assert len(audit["data"]) == 3


async def test_what_nothing_here_does_is_refused(system: TestSystem) -> None:
    client = system.openai(await system.member())
    store = await client.vector_stores.create(name="ferry", chunking_strategy={"type": "auto"})
    file_id = await upload(client, "a.txt", "The ferry sails at noon.")
    expiry: Any = {"anchor": "last_active_at", "days": 1}
    static: Any = {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50}}
    refused = [
        (client.vector_stores.create(name="x", expires_after=expiry), "do not expire"),
        (client.vector_stores.update(store.id, expires_after=expiry), "do not expire"),
        (
            client.vector_stores.files.create(store.id, file_id=file_id, chunking_strategy=static),
            "where their structure",
        ),
        (client.vector_stores.file_batches.create(store.id), "either file_ids or files"),
        (client.vector_stores.file_batches.create(store.id, file_ids=[file_id] * 2001), "2000"),
    ]
    for call, sentence in refused:
        with pytest.raises(BadRequestError, match=sentence):
            await call
    assert [one async for one in client.vector_stores.files.list(store.id)] == []


async def test_files_are_added_together(system: TestSystem) -> None:
    member = await system.member()
    client = system.openai(member)
    store = await client.vector_stores.create(name="ferry")
    file_ids = [await upload(client, f"{number}.txt", f"Ferry {number} sails at noon.") for number in range(3)]
    empty = await upload(client, "empty.txt", " ")
    batches = client.vector_stores.file_batches
    batch = await batches.create_and_poll(
        store.id, file_ids=[*file_ids, empty, empty], attributes={"kind": "timetable"}, poll_interval_ms=50
    )
    counts = batch.file_counts
    assert (batch.status, counts.completed, counts.failed, counts.total) == ("completed", 3, 1, 4)
    listed = [one async for one in batches.list_files(batch.id, vector_store_id=store.id, limit=2, order="asc")]
    assert {one.id for one in listed} == {*file_ids, empty}
    assert {str(one.attributes) for one in listed} == {"{'kind': 'timetable'}"}
    failed = [one async for one in batches.list_files(batch.id, vector_store_id=store.id, filter="failed")]
    assert [one.id for one in failed] == [empty]
    assert failed[0].last_error

    uploaded = await batches.upload_and_poll(
        store.id,
        files=[("3.txt", b"Ferry 3 sails at noon."), ("4.txt", b"Ferry 4 sails at noon.")],
        poll_interval_ms=50,
    )
    assert (uploaded.status, uploaded.file_counts.completed) == ("completed", 2)
    named: Any = [{"file_id": file_ids[0], "attributes": {"external_id": "the first"}}]
    own = await batches.create_and_poll(store.id, files=named, poll_interval_ms=50)
    assert own.file_counts.completed == 1
    assert (await client.vector_stores.retrieve(store.id)).file_counts.total == 7
    audit = await member.call("GET", "/v1/audit?action=batch.create")
    assert [row["target_id"] for row in audit["data"]] == [own.id, uploaded.id, batch.id]


async def test_batch_is_found_in_its_store_alone(system: TestSystem) -> None:
    admin = await system.member("owner")
    owner, other = await system.member("customer", of=admin), await system.member("customer", of=admin)
    uploaded = await owner.call("POST", "/v1/files", files={"file": ("a.txt", b"The ferry sails at noon.")})
    store_id, other_store_id = await owner.make_store(), await other.make_store()
    body = {"file_ids": [uploaded["id"]]}
    batch = await owner.call("POST", f"/v1/vector_stores/{store_id}/file_batches", json=body)
    assert (await owner.call("GET", f"/v1/vector_stores/{store_id}/file_batches/{batch['id']}"))["id"] == batch["id"]
    own = f"/v1/vector_stores/{other_store_id}/file_batches"
    for method, path in (("GET", ""), ("GET", "/files"), ("POST", "/cancel")):
        await other.call(method, f"{own}/{batch['id']}{path}", status=404)
    await other.call("POST", own, json=body, status=404)
    await other.call("GET", f"/v1/vector_stores/{other_store_id}/files/{uploaded['id']}/content", status=404)


async def test_batch_is_whole_or_not_at_all(system: TestSystem) -> None:
    client = system.openai(await system.member())
    store = await client.vector_stores.create(name="ferry")
    file_id = await upload(client, "a.txt", "The ferry sails at noon.")
    with pytest.raises(NotFoundError, match="No file found"):
        await client.vector_stores.file_batches.create(store.id, file_ids=[file_id, f"file-{UNKNOWN}"])
    assert [one async for one in client.vector_stores.files.list(store.id)] == []


async def test_cancelled_batch_keeps_what_was_there_before(system: TestSystem) -> None:
    member = await system.member()
    client = system.openai(member)
    store_id = await member.make_store()
    before = await member.add("old.txt", "The old ferry sails at one.", store_id=store_id)
    file_ids = [await upload(client, f"{number}.txt", f"Ferry {number} sails at noon. " * 50) for number in range(20)]
    batches = client.vector_stores.file_batches
    batch = await batches.create(store_id, file_ids=[before["id"], *file_ids])
    cancelled = await batches.cancel(batch.id, vector_store_id=store_id)
    # The worker is quick: how many it had read by then is its affair, but nothing is left waiting.
    counts = cancelled.file_counts
    assert (cancelled.status, counts.in_progress, counts.total) == ("cancelled", 0, 21)
    assert counts.cancelled + counts.completed == 21
    assert counts.completed >= 1, "what was in the store before stays"
    again = await batches.retrieve(batch.id, vector_store_id=store_id)
    assert again.file_counts == counts
    assert (await member.ended(store_id, before["id"]))["status"] == "completed"
    audit = await member.call("GET", "/v1/audit?action=batch.cancel")
    assert [row["facts"]["cancelled"] for row in audit["data"]] == [counts.cancelled]


@pytest.fixture(scope="module")
async def tides(system: TestSystem) -> tuple[Member, str]:
    """A store of documents that say the same and differ in their attributes."""
    member = await system.member()
    store_id = await member.make_store()
    for number, attributes in enumerate(({"year": 2023, "port": "Thornby"}, {"year": 2024, "port": "Saltwick"}, {})):
        text = f"The high tide of table {number} is at {number + 3} in the morning."
        uploaded = await member.call("POST", "/v1/files", files={"file": (f"{number}.txt", text.encode())})
        body = {"file_id": uploaded["id"], "attributes": attributes, "external_id": str(number)}
        await member.call("POST", f"/v1/vector_stores/{store_id}/files", json=body)
        await member.ended(store_id, uploaded["id"])
    return member, store_id


FILTERS: list[tuple[dict[str, Any], set[str]]] = [
    ({"type": "eq", "key": "port", "value": "Thornby"}, {"0"}),
    ({"type": "ne", "key": "port", "value": "Thornby"}, {"1", "2"}),
    ({"type": "gte", "key": "year", "value": 2024}, {"1"}),
    ({"type": "in", "key": "year", "value": [2023, 2024]}, {"0", "1"}),
    (
        {
            "type": "and",
            "filters": [
                {"type": "lt", "key": "year", "value": 2024.5},
                {"type": "or", "filters": [{"type": "eq", "key": "port", "value": "Saltwick"}]},
            ],
        },
        {"1"},
    ),
    ({"type": "eq", "key": "port", "value": "nowhere"}, set()),
]


@pytest.mark.parametrize(("filters", "expected"), FILTERS)
async def test_search_is_filtered_by_attributes(
    system: TestSystem, tides: tuple[Member, str], filters: Any, expected: set[str]
) -> None:
    member, store_id = tides
    client = system.openai(member)
    # Fewer than match without the filter: what is cut away must not take the place of what is not.
    found = await client.vector_stores.search(
        store_id, query="When is the high tide?", filters=filters, max_num_results=max(1, len(expected))
    )
    names = {(one.model_extra or {})["external_id"] for one in found.data}
    assert names == expected
    for one in found.data:
        document = await client.vector_stores.files.retrieve(one.file_id, vector_store_id=store_id)
        assert one.attributes == document.attributes

    tool: Any = {"type": "file_search", "vector_store_ids": [store_id], "filters": filters}
    answer = await client.responses.create(
        model="assistant/default",
        input="When is the high tide?",
        tools=[tool],
        include=["file_search_call.results"],
    )
    results = answer.output[0].results or []  # type: ignore[union-attr]
    assert {result.filename for result in results} == {f"{name}.txt" for name in expected}
    read = await client.responses.retrieve(answer.id)
    assert read.tools[0].filters.model_dump() == {"type": filters["type"], **filters}  # type: ignore[union-attr]


async def test_attributes_can_be_changed_and_are_searched_at_once(system: TestSystem) -> None:
    member = await system.member()
    client = system.openai(member)
    store_id = await member.make_store()
    added = await member.add("a.txt", "The high tide is at three.", store_id=store_id)
    port: Any = {"type": "eq", "key": "port", "value": "Thornby"}
    assert (await client.vector_stores.search(store_id, query="high tide", filters=port)).data == []
    changed = await client.vector_stores.files.update(
        added["id"], vector_store_id=store_id, attributes={"port": "Thornby"}
    )
    assert changed.attributes == {"port": "Thornby"}
    assert len((await client.vector_stores.search(store_id, query="high tide", filters=port)).data) == 1
    await client.vector_stores.files.update(added["id"], vector_store_id=store_id, attributes=None)
    assert (await client.vector_stores.search(store_id, query="high tide", filters=port)).data == []


async def test_filter_that_cannot_be_understood_is_refused(system: TestSystem, tides: tuple[Member, str]) -> None:
    member, store_id = tides
    client = system.openai(member)
    deep: dict[str, Any] = {"type": "eq", "key": "k", "value": 1}
    for _ in range(20):
        deep = {"type": "and", "filters": [deep]}
    wrong: list[Any] = [
        {},
        {"type": "like", "key": "k", "value": "x"},
        {"type": "eq", "key": "", "value": 1},
        {"type": "eq", "key": "k", "value": None},
        {"type": "eq", "key": "k", "value": [1]},
        {"type": "in", "key": "k", "value": "x"},
        {"type": "and", "filters": []},
        {"type": "eq", "key": "k", "value": "a\0b"},
        {"type": "or", "filters": [{"type": "and", "filters": [{"type": "eq", "key": "k", "value": 1}] * 33}] * 2},
        deep,
    ]
    for filters in wrong:
        with pytest.raises(BadRequestError) as refused:
            await client.vector_stores.search(store_id, query="tide", filters=filters)
        assert (refused.value.param, refused.value.code) == ("filters", "invalid_filter"), filters
        tool: Any = {"type": "file_search", "vector_store_ids": [store_id], "filters": filters}
        with pytest.raises(BadRequestError):
            await client.responses.create(model="assistant/default", input="When?", tools=[tool])


async def test_text_of_a_file_is_what_is_searched(system: TestSystem) -> None:
    member = await system.member()
    client = system.openai(member)
    store_id = await member.make_store()
    added = await member.add("a.html", "<h1>Tides</h1><p>High at <b>three</b>.</p>", store_id=store_id)
    pages = await client.vector_stores.files.content(added["id"], vector_store_id=store_id)
    assert [(page.type, (page.text or "").strip()) for page in pages.data] == [("text", "# Tides\n\nHigh at three.")]
    failed = await member.add("empty.txt", " ", store_id=store_id)
    with pytest.raises(ConflictError) as refused:
        await client.vector_stores.files.content(failed["id"], vector_store_id=store_id)
    assert refused.value.code == "not_read"
