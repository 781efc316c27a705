"""What a careless or hostile client sends is refused with a sentence, and leaves nothing behind that cannot be read."""

import json
from typing import Any

import pytest

from tests.support.system import TestSystem

NUL = "a\0b"
NUL_IN_TYPE = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: text/\0\r\n\r\na\r\n--x--\r\n'
)
# 512 characters are allowed, and take up to four bytes each.
WIDE = {f"k{number}": "\N{GRINNING FACE}" * 512 for number in range(16)}

UNSTORABLE: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/v1/responses", {"json": {"input": NUL}}),
    ("POST", "/v1/responses", {"content": b'{"input": "a\\ud800b"}', "headers": {"content-type": "application/json"}}),
    ("POST", "/v1/responses", {"json": {"input": "what?", "metadata": {"feature": NUL}}}),
    ("POST", "/v1/responses", {"json": {"input": "what?", "metadata": {"conversation_id": NUL}}}),
    ("POST", "/v1/vector_stores", {"json": {"name": NUL}}),
    ("POST", "/v1/vector_stores", {"json": {"name": NUL, "reuse": True}}),
    ("POST", "/v1/vector_stores", {"json": {"name": "x", "metadata": {"k": NUL}}}),
    ("POST", "/v1/vector_stores", {"json": {"name": "x", "metadata": WIDE}}),
    ("GET", "/v1/vector_stores", {"params": {"name": NUL}}),
    ("GET", "/v1/files", {"params": {"purpose": NUL}}),
    ("GET", "/v1/usage", {"params": {"request_id": NUL}}),
    ("GET", "/v1/audit", {"params": {"action": NUL}}),
    ("POST", "/v1/files", {"content": NUL_IN_TYPE, "headers": {"content-type": "multipart/form-data; boundary=x"}}),
]


@pytest.mark.parametrize(("method", "path", "options"), UNSTORABLE)
async def test_text_that_cannot_be_stored_is_refused(
    system: TestSystem, method: str, path: str, options: dict[str, Any]
) -> None:
    member = await system.member()
    await member.make_store()
    refused = await member.http.request(method, path, **options)
    assert refused.status_code == 400, refused.text
    assert refused.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "fields",
    [
        '"attributes": {"x": NaN}',
        '"attributes": {"x": 1e999}',
        f'"attributes": {json.dumps(WIDE)}',
        f'"external_id": {json.dumps(chr(0x1F600) * 1024)}',
    ],
)
async def test_attributes_that_could_not_be_read_again_are_refused(system: TestSystem, fields: str) -> None:
    member = await system.member()
    store_id = await member.make_store()
    uploaded = await member.call("POST", "/v1/files", files={"file": ("a.txt", b"The ferry sails at noon.")})
    files = f"/v1/vector_stores/{store_id}/files"
    body = f'{{"file_id": "{uploaded["id"]}", {fields}}}'
    headers = {"content-type": "application/json"}
    await member.call("POST", files, content=body.encode(), headers=headers, status=400)
    assert (await member.call("GET", files))["data"] == []


@pytest.mark.parametrize(
    "tool", [{"filters": {"type": "like", "key": "a", "value": "b"}}, {"ranking_options": {"score_threshold": 0.5}}]
)
async def test_option_of_file_search_that_would_be_ignored_is_refused(system: TestSystem, tool: dict[str, Any]) -> None:
    member = await system.member()
    tools = [{"type": "file_search", "vector_store_ids": [await member.make_store()], **tool}]
    await member.call("POST", "/v1/responses", json={"input": "what?", "tools": tools}, status=400)


async def test_search_returns_what_reaches_the_score_asked_for(system: TestSystem) -> None:
    member = await system.member()
    store_id = await member.make_store()
    await member.add("ferry.txt", "The ferry sails at noon.", store_id=store_id)
    path = f"/v1/vector_stores/{store_id}/search"
    found = (await member.call("POST", path, json={"query": "When does the ferry sail?"}))["data"]
    score = found[0]["score"]
    for threshold, count in ((score - 0.01, 1), (score + 0.01, 0)):
        body = {"query": "When does the ferry sail?", "ranking_options": {"score_threshold": threshold}}
        assert len((await member.call("POST", path, json=body))["data"]) == count
