"""Every list is paged through to its ends, in both orders and both directions, and each row is seen once."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from tests.support.system import Member, TestSystem

UNKNOWN = "01a1fdb30000700080000000000000ff"
TEXT = "The ferry sails at noon."


@dataclass(frozen=True)
class Library:
    """A member with a store in which one upload stands four times, between others."""

    member: Member
    lists: Mapping[str, str]
    twice: str


@pytest.fixture(scope="module")
async def library(system: TestSystem) -> Library:
    member = await system.member()
    stores = [await member.make_store(f"store {number}") for number in range(3)]
    files = f"/v1/vector_stores/{stores[0]}/files"
    uploads = [
        await member.call("POST", "/v1/files", files={"file": (f"{number}.txt", f"{TEXT} {number}".encode())})
        for number in range(4)
    ]
    twice = uploads[1]["id"]
    for number, file_id in enumerate(
        [twice, uploads[0]["id"], twice, uploads[2]["id"], twice, twice, uploads[3]["id"]]
    ):
        await member.call("POST", files, json={"file_id": file_id, "external_id": f"document {number}"})
    batch = {
        "files": [
            {"file_id": upload["id"], "external_id": f"document {number}"}
            for number, upload in enumerate([uploads[1], uploads[0], uploads[1]])
        ]
    }
    batch_id = (await member.call("POST", f"/v1/vector_stores/{stores[0]}/file_batches", json=batch))["id"]
    for number in range(3):
        await member.call("POST", f"/v1/vector_stores/{stores[0]}/search", json={"query": f"ferry {number}"})
    lists = {
        "files": "/v1/files",
        "stores": "/v1/vector_stores",
        "store files": files,
        "batch files": f"/v1/vector_stores/{stores[0]}/file_batches/{batch_id}/files",
        "usage": "/v1/usage",
        # Reading the audit writes to it, so this page is of rows that no reading adds to.
        "audit": "/v1/audit?action=document.add",
    }
    return Library(member, lists, twice)


ROWS_MIN = {"files": 4, "stores": 3, "store files": 7, "batch files": 3, "usage": 3, "audit": 7}


async def pages(member: Member, path: str, forward: str, **params: Any) -> AsyncIterator[list[dict[str, Any]]]:
    """Yield the pages of a list, going on from the last row of each with `after`, or from the first with `before`."""
    while True:
        page = await member.call("GET", path, params={**dict(httpx2.URL(path).params), **params})
        rows = page["data"]
        assert len(rows) <= params["limit"]
        assert (page["first_id"], page["last_id"]) == ((rows[0]["id"], rows[-1]["id"]) if rows else (None, None))
        yield rows
        if not page["has_more"]:
            return
        assert len(rows) == params["limit"]
        params[forward] = rows[-1 if forward == "after" else 0]["id"]


@pytest.mark.parametrize("name", ROWS_MIN)
async def test_each_row_is_seen_once(library: Library, name: str) -> None:
    path, member = library.lists[name], library.member
    everything = [row["id"] async for page in pages(member, path, "after", limit=100) for row in page]
    assert len(everything) >= ROWS_MIN[name]
    assert len(set(everything)) == len(everything), "an id names one row of a list"
    for order, expected in (("desc", everything), ("asc", everything[::-1])):
        for limit in (1, 2, 3, len(everything)):
            forwards = [
                row["id"] async for page in pages(member, path, "after", limit=limit, order=order) for row in page
            ]
            assert forwards == expected, (order, limit)
            back = [page async for page in pages(member, path, "before", limit=limit, order=order, before=expected[-1])]
            assert [row["id"] for page in reversed(back) for row in page] == expected[:-1], (order, limit)


async def test_official_client_pages_through_a_store_in_which_a_file_stands_more_than_once(
    system: TestSystem, library: Library
) -> None:
    client, store_id = system.openai(library.member), library.lists["store files"].split("/")[3]
    for order in ("asc", "desc"):
        found = [one async for one in client.vector_stores.files.list(store_id, limit=2, order=order)]  # type: ignore[arg-type]
        names = [one.model_extra["external_id"] for one in found if one.model_extra]
        assert names == sorted((f"document {number}" for number in range(7)), reverse=order == "desc")
    # The file's id names the newest of its documents; the others are reached by their own.
    named = await client.vector_stores.files.retrieve(library.twice, vector_store_id=store_id)
    assert (named.model_extra or {})["external_id"] == "document 5"
    for one in found:
        again = await client.vector_stores.files.retrieve(one.id, vector_store_id=store_id)
        assert again == one


async def test_list_goes_on_after_what_was_deleted_meanwhile(system: TestSystem) -> None:
    member = await system.member()
    client = system.openai(member)
    store = await client.vector_stores.create(name="short-lived")
    for number in range(5):
        file = await client.files.create(file=(f"{number}.txt", f"{TEXT} {number}".encode()), purpose="assistants")
        await client.vector_stores.files.create(store.id, file_id=file.id)
    async for one in client.vector_stores.files.list(store.id, limit=2):
        await client.vector_stores.files.delete(one.id, vector_store_id=store.id)
    async for file in client.files.list(limit=2):
        await client.files.delete(file.id)
    async for found in client.vector_stores.list(limit=1):
        await client.vector_stores.delete(found.id)
    assert [one async for one in client.files.list()] == []
    assert [one async for one in client.vector_stores.list()] == []


@pytest.mark.parametrize("name", ROWS_MIN)
@pytest.mark.parametrize("side", ["after", "before"])
async def test_cursor_that_names_nothing_visible_is_unknown(
    system: TestSystem, library: Library, name: str, side: str
) -> None:
    member, path = library.member, library.lists[name]
    stranger = await system.member("owner")
    own = (await stranger.call("POST", "/v1/vector_stores", json={"name": "x"}))["id"]
    rows = (await member.call("GET", path))["data"]
    prefix = rows[0]["id"].rstrip("0123456789abcdef")
    for cursor in (f"{prefix}{UNKNOWN}", f"{prefix}nonsense", own):
        refused = await member.http.get(path, params={**dict(httpx2.URL(path).params), side: cursor})
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found"), cursor
        assert cursor in refused.json()["error"]["message"]


async def test_order_and_limit_out_of_range_are_refused(library: Library) -> None:
    for params in ({"order": "newest"}, {"limit": 0}, {"limit": 101}):
        refused = await library.member.http.get("/v1/files", params=params)
        assert refused.status_code == 400, params
