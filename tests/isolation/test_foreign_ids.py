"""A stranger tries every operation with another tenant's ids and gets what an unknown id gives.

Each operation first succeeds for its owner with a canary in the response, so that a refusal for the stranger means
something; and every operation of the API must stand in the table, so that a new one cannot be forgotten.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import httpx2
import pytest

from tests.support.system import Member, TestSystem

UNKNOWN = "01a1fdb30000700080000000000000ff"
# A filter that every document meets.
ANYTHING = {"type": "ne", "key": "colour", "value": "none"}


@dataclass(frozen=True)
class Things:
    """What the owner has; every one of them carries the canary."""

    canary: str
    file_id: str
    store_id: str
    store_name: str
    answer_id: str
    conversation_id: str
    request_id: str
    principal_id: str
    group_id: str
    key_id: str
    batch_id: str = f"vsfb_{UNKNOWN}"
    call_id: str = f"call_{UNKNOWN}"
    audit_id: str = f"aud_{UNKNOWN}"

    def unknown(self) -> "Things":
        """Return ids of the same form that nobody has."""
        return Things(
            self.canary,
            f"file-{UNKNOWN}",
            f"vs_{UNKNOWN}",
            "no-such-store",
            f"resp_{UNKNOWN}",
            f"conv_{UNKNOWN}",
            "req_unknown",
            f"usr_{UNKNOWN}",
            f"grp_{UNKNOWN}",
            f"key_{UNKNOWN}",
        )


Call = tuple[str, dict[str, Any]]


def _search_tool(things: Things) -> list[dict[str, Any]]:
    return [{"type": "file_search", "vector_store_ids": [things.store_id]}]


def _digest(things: Things) -> dict[str, str]:
    return {"external_id": things.file_id, "sha256": sha256(_text(things.canary).encode()).hexdigest()}


def _text(canary: str) -> str:
    return f"The code of {canary} is {canary}-secret."


def _ask(things: Things, **fields: object) -> dict[str, Any]:
    return {"json": {"input": f"What is the code of {things.canary}?", **fields}}


def _audience(things: Things, **fields: object) -> dict[str, Any]:
    return {"principal_ids": [things.principal_id], "group_ids": [things.group_id], **fields}


# Operations that name a thing: path and options for `things`; the owner's response holds the canary.
NAMING: dict[str, list[Callable[[Things], Call]]] = {
    "GET /v1/files": [
        lambda t: ("/v1/files", {"params": {"after": t.file_id}}),
        lambda t: ("/v1/files", {"params": {"before": t.file_id, "order": "asc"}}),
    ],
    "GET /v1/files/{file_id}": [lambda t: (f"/v1/files/{t.file_id}", {})],
    "GET /v1/files/{file_id}/content": [lambda t: (f"/v1/files/{t.file_id}/content", {})],
    "GET /v1/vector_stores": [
        lambda t: ("/v1/vector_stores", {"params": {"name": t.store_name}}),
        lambda t: ("/v1/vector_stores", {"params": {"after": t.store_id}}),
        lambda t: ("/v1/vector_stores", {"params": {"before": t.store_id, "order": "asc"}}),
    ],
    "POST /v1/vector_stores": [lambda t: ("/v1/vector_stores", {"json": {"name": t.canary, "file_ids": [t.file_id]}})],
    "GET /v1/vector_stores/{store_id}": [lambda t: (f"/v1/vector_stores/{t.store_id}", {})],
    "POST /v1/vector_stores/{store_id}": [
        lambda t: (f"/v1/vector_stores/{t.store_id}", {"json": {"metadata": {"seen": "yes"}}})
    ],
    "GET /v1/vector_stores/{store_id}/files": [
        lambda t: (f"/v1/vector_stores/{t.store_id}/files", {}),
        lambda t: (f"/v1/vector_stores/{t.store_id}/files", {"params": {"after": t.file_id}}),
    ],
    "POST /v1/vector_stores/{store_id}/file_batches": [
        lambda t: (f"/v1/vector_stores/{t.store_id}/file_batches", {"json": {"file_ids": [t.file_id]}})
    ],
    "GET /v1/vector_stores/{store_id}/file_batches/{batch_id}": [
        lambda t: (f"/v1/vector_stores/{t.store_id}/file_batches/{t.batch_id}", {})
    ],
    "GET /v1/vector_stores/{store_id}/file_batches/{batch_id}/files": [
        lambda t: (f"/v1/vector_stores/{t.store_id}/file_batches/{t.batch_id}/files", {})
    ],
    "POST /v1/vector_stores/{store_id}/file_batches/{batch_id}/cancel": [
        lambda t: (f"/v1/vector_stores/{t.store_id}/file_batches/{t.batch_id}/cancel", {})
    ],
    "POST /v1/vector_stores/{store_id}/files": [
        lambda t: (f"/v1/vector_stores/{t.store_id}/files", {"json": {"file_id": t.file_id}})
    ],
    "GET /v1/vector_stores/{store_id}/files/{file_id}": [
        lambda t: (f"/v1/vector_stores/{t.store_id}/files/{t.file_id}", {})
    ],
    "POST /v1/vector_stores/{store_id}/files/{file_id}": [
        lambda t: (f"/v1/vector_stores/{t.store_id}/files/{t.file_id}", {"json": {"attributes": {"seen": "yes"}}})
    ],
    "GET /v1/vector_stores/{store_id}/files/{file_id}/content": [
        lambda t: (f"/v1/vector_stores/{t.store_id}/files/{t.file_id}/content", {})
    ],
    "POST /v1/vector_stores/{store_id}/known_files": [
        lambda t: (f"/v1/vector_stores/{t.store_id}/known_files", {"json": {"files": [_digest(t)]}})
    ],
    "POST /v1/vector_stores/{store_id}/search": [
        lambda t: (f"/v1/vector_stores/{t.store_id}/search", {"json": {"query": t.canary}}),
        lambda t: (f"/v1/vector_stores/{t.store_id}/search", {"json": {"query": t.canary, "filters": ANYTHING}}),
    ],
    "POST /v1/responses": [
        lambda t: ("/v1/responses", _ask(t, tools=_search_tool(t), include=["file_search_call.results"])),
        lambda t: ("/v1/responses", _ask(t, previous_response_id=t.answer_id)),
        lambda t: ("/v1/responses", _ask(t, conversation=t.conversation_id)),
        lambda t: ("/v1/responses", _ask(t, stream=True, tools=_search_tool(t))),
        lambda t: ("/v1/responses", _ask(t, tools=[{**_search_tool(t)[0], "filters": ANYTHING}])),
    ],
    "POST /v1/chat/completions": [
        lambda t: (
            "/v1/chat/completions",
            {
                "json": {
                    "model": "assistant/default",
                    "messages": [{"role": "user", "content": f"What is the code of {t.canary}?"}],
                    "tools": _search_tool(t),
                }
            },
        )
    ],
    "GET /v1/responses/{answer_id}": [lambda t: (f"/v1/responses/{t.answer_id}", {})],
    "GET /v1/answers/{answer_id}/receipt": [lambda t: (f"/v1/answers/{t.answer_id}/receipt", {})],
    "GET /v1/usage": [
        lambda t: ("/v1/usage", {"params": {"request_id": t.request_id}}),
        lambda t: ("/v1/usage", {"params": {"after": t.call_id}}),
    ],
    "GET /v1/audit": [
        lambda t: ("/v1/audit", {"params": {"request_id": t.request_id}}),
        lambda t: ("/v1/audit", {"params": {"after": t.audit_id}}),
    ],
    "GET /v1/vector_stores/{store_id}/audience": [lambda t: (f"/v1/vector_stores/{t.store_id}/audience", {})],
    "PUT /v1/vector_stores/{store_id}/audience": [
        lambda t: (f"/v1/vector_stores/{t.store_id}/audience", {"json": _audience(t, visibility="private")})
    ],
    "GET /v1/vector_stores/{store_id}/files/{file_id}/audience": [
        lambda t: (f"/v1/vector_stores/{t.store_id}/files/{t.file_id}/audience", {})
    ],
    "PUT /v1/vector_stores/{store_id}/files/{file_id}/audience": [
        lambda t: (
            f"/v1/vector_stores/{t.store_id}/files/{t.file_id}/audience",
            {"json": _audience(t, restricted=True)},
        )
    ],
    "GET /v1/principals": [lambda t: ("/v1/principals", {"params": {"after": t.principal_id}})],
    "GET /v1/principals/{principal_id}": [lambda t: (f"/v1/principals/{t.principal_id}", {})],
    "POST /v1/principals/{principal_id}": [
        lambda t: (f"/v1/principals/{t.principal_id}", {"json": {"role": "reviewer"}})
    ],
    "POST /v1/keys": [lambda t: ("/v1/keys", {"json": {"name": t.canary, "principal_id": t.principal_id}})],
    "GET /v1/keys": [lambda t: ("/v1/keys", {"params": {"principal_id": t.principal_id}})],
    "GET /v1/groups": [lambda t: ("/v1/groups", {"params": {"after": t.group_id}})],
    "GET /v1/groups/{group_id}": [lambda t: (f"/v1/groups/{t.group_id}", {})],
    "GET /v1/groups/{group_id}/members": [lambda t: (f"/v1/groups/{t.group_id}/members", {})],
    "POST /v1/groups/{group_id}/members": [
        lambda t: (f"/v1/groups/{t.group_id}/members", {"json": {"principal_id": t.principal_id}})
    ],
    "DELETE /v1/groups/{group_id}/members/{principal_id}": [
        lambda t: (f"/v1/groups/{t.group_id}/members/{t.principal_id}", {})
    ],
    "DELETE /v1/groups/{group_id}": [lambda t: (f"/v1/groups/{t.group_id}", {})],
    "DELETE /v1/keys/{key_id}": [lambda t: (f"/v1/keys/{t.key_id}", {})],
    "DELETE /v1/vector_stores/{store_id}/files/{file_id}": [
        lambda t: (f"/v1/vector_stores/{t.store_id}/files/{t.file_id}", {})
    ],
    "DELETE /v1/responses/{answer_id}": [lambda t: (f"/v1/responses/{t.answer_id}", {})],
    "DELETE /v1/files/{file_id}": [lambda t: (f"/v1/files/{t.file_id}", {})],
    "DELETE /v1/vector_stores/{store_id}": [lambda t: (f"/v1/vector_stores/{t.store_id}", {})],
    "PUT /v1/limits/{subject_id}": [lambda t: (f"/v1/limits/{t.key_id}", {"json": {"requests_per_hour": 1000}})],
}
# Operations that name nothing of a tenant.
NAMELESS = {
    "POST /v1/files",
    "POST /v1/principals",
    "POST /v1/groups",
    "GET /v1/models",
    "GET /v1/models/{model}",
    "POST /v1/embeddings",
    "GET /v1/limits",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
}
# Asked by name or by request, lists answer a stranger with an empty page, as they answer a name that nobody gave.
EMPTY_FOR = {"name", "request_id", "principal_id"}
# What only owners and admins may do.
FOR_ADMINS = {
    "GET /v1/audit",
    "PUT /v1/limits/{subject_id}",
    *(name for name in NAMING if name.split("/")[2] in ("principals", "keys", "groups")),
}
# What a customer may not do even with what is its own.
FOR_STAFF = FOR_ADMINS | {name for name in NAMING if name.endswith("/audience")}
# What these answer their owner has no room for the canary; that they did it is enough.
WITHOUT_CANARY = {
    "GET /v1/usage",
    "GET /v1/audit",
    "POST /v1/vector_stores",
    "POST /v1/vector_stores/{store_id}/file_batches",
    "GET /v1/vector_stores/{store_id}/file_batches/{batch_id}",
    "POST /v1/vector_stores/{store_id}/file_batches/{batch_id}/cancel",
    "DELETE /v1/vector_stores/{store_id}/files/{file_id}",
    "DELETE /v1/responses/{answer_id}",
    "DELETE /v1/files/{file_id}",
    "DELETE /v1/vector_stores/{store_id}",
    "PUT /v1/limits/{subject_id}",
    *(name for name in NAMING if name.endswith("/audience") or name.startswith("DELETE")),
}
# What a customer may not do at all.


async def _members(member: Member, canary: str) -> tuple[str, str, str]:
    """Return a principal, a group it is in, and a key of it."""
    body = {"name": canary, "role": "customer"}
    principal = (await member.call("POST", "/v1/principals", json=body))["id"]
    group = (await member.call("POST", "/v1/groups", json={"name": f"{canary} {secrets.token_hex(4)}"}))["id"]
    await member.call("POST", f"/v1/groups/{group}/members", json={"principal_id": principal})
    key = await member.call("POST", "/v1/keys", json={"name": canary, "principal_id": principal})
    return principal, group, key["id"]


async def _things(member: Member, *, beside: bool) -> Things:
    canary = f"canary{secrets.token_hex(8)}"
    name = f"store-{canary}"
    if beside:
        # Pages are cut by an older neighbour, so that `after` has something to show its owner.
        await member.add(
            f"old-{canary}.txt", f"The older code of {canary} is seven.", store_id=await member.make_store(name)
        )
    store_id = await member.make_store(name)
    added = await member.add(f"{canary}.txt", _text(canary), store_id=store_id)
    batches = f"/v1/vector_stores/{store_id}/file_batches"
    batch = await member.call("POST", batches, json={"files": [{"file_id": added["id"], "external_id": canary}]})
    await member.ended(store_id, added["id"])
    answer = await member.call("POST", "/v1/responses", json={"input": f"What is the code of {canary}?"})
    principal_id, group_id, key_id = "usr_none", "grp_none", (await member.call("GET", "/v1/limits"))["key_id"]
    if member.role == "owner":
        for _ in range(1 + beside):
            principal_id, group_id, key_id = await _members(member, canary)
    request_id = answer["request_id"]
    calls = await member.call("GET", f"/v1/usage?request_id={request_id}")
    # A customer may not read the audit, not even what it says of itself.
    audit = (await member.http.get(f"/v1/audit?request_id={request_id}")).json().get("data") or [{}]
    return Things(
        canary,
        added["id"],
        store_id,
        name,
        answer["id"],
        answer["conversation"]["id"],
        request_id,
        principal_id,
        group_id,
        key_id,
        batch["id"],
        calls["data"][0]["id"],
        audit[0].get("id", f"aud_{UNKNOWN}"),
    )


def _comparable(response: httpx2.Response, things: Things) -> tuple[int, str]:
    """Return status and body with the ids that were asked for blotted out."""
    body = response.text
    for name, value in vars(things).items():
        if name != "canary":
            body = body.replace(value, "ID")
    return response.status_code, body


async def test_every_operation_stands_in_the_table(system: TestSystem) -> None:
    async with httpx2.AsyncClient(base_url=system.address, trust_env=False) as http:
        paths = (await http.get("/openapi.json")).json()["paths"]
    operations = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert operations == NAMING.keys() | NAMELESS


@pytest.mark.parametrize("operation", NAMING)
async def test_stranger_gets_what_an_unknown_id_gives(system: TestSystem, operation: str) -> None:
    owner, stranger = await system.member("owner"), await system.member("owner")
    things = await _things(owner, beside=True)
    method = operation.split(maxsplit=1)[0]
    unknown = things.unknown()
    for call in NAMING[operation]:
        path, options = call(things)
        foreign = await stranger.http.request(method, path, **options)
        nobody_path, nobody_options = call(unknown)
        nobody = await stranger.http.request(method, nobody_path, **nobody_options)
        assert _comparable(foreign, things) == _comparable(nobody, unknown)
        # What the stranger typed himself may come back to him; what the owner wrote may not.
        assert f"{things.canary}-secret" not in foreign.text
        assert foreign.status_code == (200 if EMPTY_FOR & options.get("params", {}).keys() else 404)
        own = await owner.http.request(method, path, **options)
        assert own.status_code == 200, own.text
        assert operation in WITHOUT_CANARY or things.canary in own.text


@pytest.mark.parametrize("operation", [name for name in NAMING if not name.startswith("DELETE")])
async def test_customer_cannot_reach_what_another_customer_owns(system: TestSystem, operation: str) -> None:
    admin = await system.member("owner")
    owner, other = await system.member("customer", of=admin), await system.member("customer", of=admin)
    if operation in FOR_STAFF:
        return await _denied(other, operation)
    things = await _things(owner, beside=True)
    method = operation.split(maxsplit=1)[0]
    for call in NAMING[operation]:
        path, options = call(things)
        foreign = await other.http.request(method, path, **options)
        nobody_path, nobody_options = call(things.unknown())
        nobody = await other.http.request(method, nobody_path, **nobody_options)
        assert _comparable(foreign, things) == _comparable(nobody, things.unknown())
        assert f"{things.canary}-secret" not in foreign.text
        own = await owner.http.request(method, path, **options)
        assert own.status_code == 200, own.text
    return None


async def _denied(member: Member, operation: str) -> None:
    method, path = operation.replace("{", "").replace("}", "").split()
    refused = await member.http.request(method, path)
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "permission_denied"


async def test_denial_is_audited(system: TestSystem) -> None:
    admin = await system.member("owner")
    customer = await system.member("customer", of=admin)
    refused = await customer.http.get("/v1/audit")
    assert refused.status_code == 403
    rows = await admin.call("GET", f"/v1/audit?request_id={refused.headers['x-request-id']}")
    assert [(row["action"], row["outcome"]) for row in rows["data"]] == [("access.deny", "denied")]


@pytest.mark.parametrize("key", [None, "sk-wrong", f"ms_{'0' * 12}_{'a' * 43}"])
async def test_without_a_valid_key_nothing_is_answered(system: TestSystem, key: str | None) -> None:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with httpx2.AsyncClient(base_url=system.address, headers=headers, trust_env=False) as http:
        refused = [await http.request(*name.replace("{", "").replace("}", "").split()) for name in NAMING]
    assert {one.status_code for one in refused} == {401}
    assert {one.json()["error"]["code"] for one in refused} == {"invalid_api_key"}
