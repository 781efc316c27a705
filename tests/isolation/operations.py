"""How each operation of the API is called with given ids: what every attack on isolation is generated from.

An operation has one or more ways to name things, and each way says where each thing stands. The table is held against
the OpenAPI document (`untold`): an operation, a parameter or a field of a body that it does not tell of is a failure.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tests.isolation.things import Things

# A filter that every document meets.
ANYTHING = {"type": "ne", "key": "colour", "value": "none"}
Place = Literal["path", "query", "body", "cursor", "filename"]
Call = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Slot:
    """Where one thing is named: a place, and the parameter or the field of the body that the OpenAPI document has."""

    thing: str
    place: Place
    parameter: str


@dataclass(frozen=True)
class Way:
    """One way to call an operation with the ids of `Things`.

    `steady` says that two calls that name nothing known are answered alike; where an answer is generated they are not.
    `silent` says why the response to the owner has no room for the canary.
    """

    slots: tuple[Slot, ...]
    call: Callable[[Things], Call]
    steady: bool = True
    silent: str = ""


def _path(thing: str) -> Slot:
    return Slot(thing, "path", thing)


def _search_tool(things: Things) -> list[dict[str, Any]]:
    return [{"type": "file_search", "vector_store_ids": [things.store_id]}]


def _ask(things: Things, **body: object) -> dict[str, Any]:
    return {"json": {"input": things.question, **body}}


def _chat(things: Things, **body: object) -> dict[str, Any]:
    return {"json": {"model": "assistant/default", "messages": [{"role": "user", "content": things.question}], **body}}


FILE, STORE, ANSWER = _path("file_id"), _path("store_id"), _path("answer_id")
BATCH = _path("batch_id")
PRINCIPAL, GROUP = _path("principal_id"), _path("group_id")
# One that has succeeded, one that waits for its time, one that may be cancelled, and a dead letter.
JOB, LATE_JOB, UNWANTED_JOB, DEAD_JOB = (
    Slot(thing, "path", "job_id") for thing in ("job_id", "late_job_id", "unwanted_job_id", "dead_job_id")
)
MEMBER = Slot("principal_id", "body", "principal_id")
AUDIENCE = (Slot("principal_id", "body", "principal_ids"), Slot("group_id", "body", "group_ids"))
IDS_ALONE = "what comes back is ids and codes"
AFTER_FILE, BEFORE_FILE = Slot("file_id", "cursor", "after"), Slot("file_id", "cursor", "before")
AFTER_STORE, BEFORE_STORE = Slot("store_id", "cursor", "after"), Slot("store_id", "cursor", "before")
TOOLS = Slot("store_id", "body", "tools")
NAMED_CONVERSATION = Slot("conversation_name", "body", "metadata")

WAYS: dict[str, tuple[Way, ...]] = {
    "GET /v1/files": (
        Way((AFTER_FILE,), lambda t: ("/v1/files", {"params": {"after": t.file_id, "limit": 1}})),
        Way((BEFORE_FILE,), lambda t: ("/v1/files", {"params": {"before": t.file_id, "order": "asc"}})),
    ),
    "GET /v1/files/{file_id}": (Way((FILE,), lambda t: (f"/v1/files/{t.file_id}", {})),),
    "GET /v1/files/{file_id}/content": (Way((FILE,), lambda t: (f"/v1/files/{t.file_id}/content", {})),),
    "GET /v1/vector_stores": (
        Way(
            (Slot("store_name", "query", "name"),), lambda t: ("/v1/vector_stores", {"params": {"name": t.store_name}})
        ),
        Way((AFTER_STORE,), lambda t: ("/v1/vector_stores", {"params": {"after": t.store_id}})),
        Way((BEFORE_STORE,), lambda t: ("/v1/vector_stores", {"params": {"before": t.store_id, "order": "asc"}})),
    ),
    "POST /v1/vector_stores": (
        Way(
            (Slot("file_id", "body", "file_ids"),),
            lambda t: ("/v1/vector_stores", {"json": {"name": "copy", "file_ids": [t.file_id]}}),
            silent="a store shows its files as counts",
        ),
        Way(
            (Slot("store_name", "body", "name"),),
            lambda t: ("/v1/vector_stores", {"json": {"name": t.store_name, "reuse": True}}),
            steady=False,
        ),
    ),
    "GET /v1/vector_stores/{store_id}": (Way((STORE,), lambda t: (f"/v1/vector_stores/{t.store_id}", {})),),
    "POST /v1/vector_stores/{store_id}": (
        Way((STORE,), lambda t: (f"/v1/vector_stores/{t.store_id}", {"json": {}})),
        Way(
            (STORE, Slot("store_name", "body", "name")),
            lambda t: (f"/v1/vector_stores/{t.store_id}", {"json": {"name": t.store_name}}),
            steady=False,
        ),
    ),
    "GET /v1/vector_stores/{store_id}/files": (
        Way((STORE,), lambda t: (f"/v1/vector_stores/{t.store_id}/files", {})),
        Way(
            (STORE, AFTER_FILE),
            lambda t: (f"/v1/vector_stores/{t.store_id}/files", {"params": {"after": t.file_id}}),
        ),
        Way(
            (STORE, BEFORE_FILE),
            lambda t: (f"/v1/vector_stores/{t.store_id}/files", {"params": {"before": t.file_id, "order": "asc"}}),
        ),
    ),
    "POST /v1/vector_stores/{store_id}/file_batches": (
        Way(
            (STORE, Slot("file_id", "body", "file_ids")),
            lambda t: (f"/v1/vector_stores/{t.store_id}/file_batches", {"json": {"file_ids": [t.file_id]}}),
            silent="a batch shows its files as counts",
        ),
        Way(
            (STORE, Slot("file_id", "body", "files"), Slot("external_id", "body", "files")),
            lambda t: (
                f"/v1/vector_stores/{t.store_id}/file_batches",
                {"json": {"files": [{"file_id": t.file_id, "external_id": t.external_id}]}},
            ),
            steady=False,
            silent="a batch shows its files as counts",
        ),
    ),
    "GET /v1/vector_stores/{store_id}/file_batches/{batch_id}": (
        Way(
            (STORE, BATCH),
            lambda t: (f"/v1/vector_stores/{t.store_id}/file_batches/{t.batch_id}", {}),
            silent="a batch shows its files as counts",
        ),
    ),
    "GET /v1/vector_stores/{store_id}/file_batches/{batch_id}/files": (
        Way((STORE, BATCH), lambda t: (f"/v1/vector_stores/{t.store_id}/file_batches/{t.batch_id}/files", {})),
        Way(
            (STORE, BATCH, AFTER_FILE, BEFORE_FILE),
            lambda t: (
                f"/v1/vector_stores/{t.store_id}/file_batches/{t.batch_id}/files",
                {"params": {"after": t.file_id, "before": t.file_id}},
            ),
            silent="nothing stands between a file and itself",
        ),
    ),
    "POST /v1/vector_stores/{store_id}/file_batches/{batch_id}/cancel": (
        Way(
            (STORE, BATCH),
            lambda t: (f"/v1/vector_stores/{t.store_id}/file_batches/{t.batch_id}/cancel", {}),
            silent="a batch shows its files as counts",
        ),
    ),
    "POST /v1/vector_stores/{store_id}/files": (
        Way(
            (STORE, Slot("file_id", "body", "file_id")),
            lambda t: (f"/v1/vector_stores/{t.store_id}/files", {"json": {"file_id": t.file_id}}),
        ),
        Way(
            (STORE, Slot("file_id", "body", "file_id"), Slot("external_id", "body", "external_id")),
            lambda t: (
                f"/v1/vector_stores/{t.store_id}/files",
                {"json": {"file_id": t.file_id, "external_id": t.external_id}},
            ),
            steady=False,
        ),
        Way(
            (STORE, Slot("file_id", "body", "file_id"), Slot("external_id", "body", "attributes")),
            lambda t: (
                f"/v1/vector_stores/{t.store_id}/files",
                {"json": {"file_id": t.file_id, "attributes": {"external_id": t.external_id}}},
            ),
            steady=False,
        ),
    ),
    "GET /v1/vector_stores/{store_id}/files/{file_id}": (
        Way((STORE, FILE), lambda t: (f"/v1/vector_stores/{t.store_id}/files/{t.file_id}", {})),
    ),
    "POST /v1/vector_stores/{store_id}/files/{file_id}": (
        Way(
            (STORE, FILE),
            lambda t: (f"/v1/vector_stores/{t.store_id}/files/{t.file_id}", {"json": {"attributes": {"seen": "yes"}}}),
        ),
    ),
    "GET /v1/vector_stores/{store_id}/files/{file_id}/content": (
        Way((STORE, FILE), lambda t: (f"/v1/vector_stores/{t.store_id}/files/{t.file_id}/content", {})),
    ),
    "POST /v1/vector_stores/{store_id}/known_files": (
        Way(
            (STORE, Slot("external_id", "body", "files"), Slot("content_sha256", "body", "files")),
            lambda t: (
                f"/v1/vector_stores/{t.store_id}/known_files",
                {"json": {"files": [{"external_id": t.external_id, "sha256": t.content_sha256}]}},
            ),
        ),
    ),
    "POST /v1/vector_stores/{store_id}/search": (
        Way((STORE,), lambda t: (f"/v1/vector_stores/{t.store_id}/search", {"json": {"query": t.question}})),
        Way(
            (STORE,),
            lambda t: (
                f"/v1/vector_stores/{t.store_id}/search",
                {"json": {"query": t.question, "filters": ANYTHING}},
            ),
        ),
    ),
    "POST /v1/responses": (
        Way(
            (TOOLS,), lambda t: ("/v1/responses", _ask(t, tools=_search_tool(t), include=["file_search_call.results"]))
        ),
        Way((TOOLS,), lambda t: ("/v1/responses", _ask(t, tools=_search_tool(t), stream=True))),
        Way((TOOLS,), lambda t: ("/v1/responses", _ask(t, tools=[{**_search_tool(t)[0], "filters": ANYTHING}]))),
        Way(
            (Slot("answer_id", "body", "previous_response_id"),),
            lambda t: ("/v1/responses", _ask(t, previous_response_id=t.answer_id)),
        ),
        Way(
            (Slot("conversation_id", "body", "conversation"),),
            lambda t: ("/v1/responses", _ask(t, conversation=t.conversation_id)),
        ),
        Way(
            (Slot("conversation_id", "body", "conversation"),),
            lambda t: ("/v1/responses", _ask(t, conversation={"id": t.conversation_id})),
        ),
        Way(
            (NAMED_CONVERSATION,),
            lambda t: ("/v1/responses", _ask(t, metadata={"conversation_id": t.conversation_name})),
            steady=False,
        ),
    ),
    "POST /v1/chat/completions": (
        Way((TOOLS,), lambda t: ("/v1/chat/completions", _chat(t, tools=_search_tool(t)))),
        Way((TOOLS,), lambda t: ("/v1/chat/completions", _chat(t, tools=_search_tool(t), stream=True))),
        Way(
            (NAMED_CONVERSATION,),
            lambda t: ("/v1/chat/completions", _chat(t, metadata={"conversation_id": t.conversation_name})),
            steady=False,
        ),
    ),
    "GET /v1/responses/{answer_id}": (Way((ANSWER,), lambda t: (f"/v1/responses/{t.answer_id}", {})),),
    "GET /v1/answers/{answer_id}/receipt": (Way((ANSWER,), lambda t: (f"/v1/answers/{t.answer_id}/receipt", {})),),
    "GET /v1/usage": (
        Way(
            (Slot("request_id", "query", "request_id"),),
            lambda t: ("/v1/usage", {"params": {"request_id": t.request_id, "by": "conversation"}}),
            silent="usage holds ids and numbers",
        ),
        Way(
            (Slot("call_id", "cursor", "after"),),
            lambda t: ("/v1/usage", {"params": {"after": t.call_id}}),
            silent="usage holds ids and numbers",
        ),
        Way(
            (Slot("call_id", "cursor", "before"),),
            lambda t: ("/v1/usage", {"params": {"before": t.call_id, "order": "asc"}}),
            silent="usage holds ids and numbers",
        ),
    ),
    "GET /v1/audit": (
        Way(
            (Slot("request_id", "query", "request_id"),),
            lambda t: ("/v1/audit", {"params": {"request_id": t.request_id}}),
            silent="the audit holds ids and codes",
        ),
        Way(
            (Slot("audit_id", "cursor", "after"),),
            lambda t: ("/v1/audit", {"params": {"after": t.audit_id}}),
            silent="the audit holds ids and codes",
        ),
        Way(
            (Slot("audit_id", "cursor", "before"),),
            lambda t: ("/v1/audit", {"params": {"before": t.audit_id, "order": "asc"}}),
            silent="the audit holds ids and codes",
        ),
    ),
    "GET /v1/vector_stores/{store_id}/audience": (
        Way((STORE,), lambda t: (f"/v1/vector_stores/{t.store_id}/audience", {}), silent=IDS_ALONE),
    ),
    "PUT /v1/vector_stores/{store_id}/audience": (
        Way(
            (STORE, *AUDIENCE),
            lambda t: (
                f"/v1/vector_stores/{t.store_id}/audience",
                {"json": {"visibility": "private", "principal_ids": [t.principal_id], "group_ids": [t.group_id]}},
            ),
            silent=IDS_ALONE,
        ),
    ),
    "GET /v1/vector_stores/{store_id}/files/{file_id}/audience": (
        Way(
            (STORE, FILE),
            lambda t: (f"/v1/vector_stores/{t.store_id}/files/{t.file_id}/audience", {}),
            silent=IDS_ALONE,
        ),
    ),
    "PUT /v1/vector_stores/{store_id}/files/{file_id}/audience": (
        Way(
            (STORE, FILE, *AUDIENCE),
            lambda t: (
                f"/v1/vector_stores/{t.store_id}/files/{t.file_id}/audience",
                {"json": {"restricted": True, "principal_ids": [t.principal_id], "group_ids": [t.group_id]}},
            ),
            silent=IDS_ALONE,
        ),
    ),
    "GET /v1/principals": (
        Way(
            (Slot("principal_id", "cursor", "after"),),
            lambda t: ("/v1/principals", {"params": {"after": t.principal_id}}),
            silent=IDS_ALONE,
        ),
        Way(
            (Slot("principal_id", "cursor", "before"),),
            lambda t: ("/v1/principals", {"params": {"before": t.principal_id, "order": "asc"}}),
            silent=IDS_ALONE,
        ),
    ),
    "GET /v1/principals/{principal_id}": (
        Way((PRINCIPAL,), lambda t: (f"/v1/principals/{t.principal_id}", {}), silent=IDS_ALONE),
    ),
    "POST /v1/principals/{principal_id}": (
        Way((PRINCIPAL,), lambda t: (f"/v1/principals/{t.principal_id}", {"json": {}}), silent=IDS_ALONE),
    ),
    "POST /v1/keys": (
        Way(
            (MEMBER,),
            lambda t: ("/v1/keys", {"json": {"name": "another", "principal_id": t.principal_id}}),
            silent=IDS_ALONE,
        ),
    ),
    "GET /v1/keys": (
        Way(
            (Slot("principal_id", "query", "principal_id"),),
            lambda t: ("/v1/keys", {"params": {"principal_id": t.principal_id}}),
            silent=IDS_ALONE,
        ),
        Way(
            (Slot("key_id", "cursor", "after"),),
            lambda t: ("/v1/keys", {"params": {"after": t.key_id}}),
            silent=IDS_ALONE,
        ),
        Way(
            (Slot("key_id", "cursor", "before"),),
            lambda t: ("/v1/keys", {"params": {"before": t.key_id, "order": "asc"}}),
            silent=IDS_ALONE,
        ),
    ),
    "GET /v1/groups": (
        Way(
            (Slot("group_id", "cursor", "after"),),
            lambda t: ("/v1/groups", {"params": {"after": t.group_id}}),
            silent="nothing need be older",
        ),
        Way(
            (Slot("group_id", "cursor", "before"),),
            lambda t: ("/v1/groups", {"params": {"before": t.group_id, "order": "asc"}}),
            silent="nothing need be newer",
        ),
    ),
    "GET /v1/groups/{group_id}": (Way((GROUP,), lambda t: (f"/v1/groups/{t.group_id}", {})),),
    "POST /v1/groups/{group_id}/members": (
        Way(
            (GROUP, MEMBER),
            lambda t: (f"/v1/groups/{t.group_id}/members", {"json": {"principal_id": t.principal_id}}),
        ),
    ),
    "GET /v1/groups/{group_id}/members": (
        Way((GROUP,), lambda t: (f"/v1/groups/{t.group_id}/members", {}), silent=IDS_ALONE),
        Way(
            (GROUP, Slot("principal_id", "cursor", "after"), Slot("principal_id", "cursor", "before")),
            lambda t: (
                f"/v1/groups/{t.group_id}/members",
                {"params": {"after": t.principal_id, "before": t.principal_id}},
            ),
            silent="nobody stands between a principal and itself",
        ),
    ),
    "POST /v1/files": (
        Way(
            (Slot("tenant_id", "filename", "file"), Slot("file_id", "filename", "file")),
            lambda t: ("/v1/files", {"files": {"file": (f"../{t.tenant_id}/{t.file_id}", b"A text.")}}),
            steady=False,
            silent="what comes back is what was sent",
        ),
    ),
    "DELETE /v1/vector_stores/{store_id}/files/{file_id}": (
        Way(
            (STORE, FILE),
            lambda t: (f"/v1/vector_stores/{t.store_id}/files/{t.file_id}", {}),
            silent="what comes back is what was sent",
        ),
    ),
    "PUT /v1/limits/{subject_id}": (
        Way(
            (Slot("key_id", "path", "subject_id"),),
            lambda t: (f"/v1/limits/{t.key_id}", {"json": {"requests_per_hour": 1_000_000}}),
            silent="what comes back is what was sent",
        ),
    ),
    "DELETE /v1/responses/{answer_id}": (
        Way((ANSWER,), lambda t: (f"/v1/responses/{t.answer_id}", {}), silent="what comes back is what was sent"),
    ),
    "DELETE /v1/files/{file_id}": (
        Way((FILE,), lambda t: (f"/v1/files/{t.file_id}", {}), silent="what comes back is what was sent"),
    ),
    "DELETE /v1/vector_stores/{store_id}": (
        Way((STORE,), lambda t: (f"/v1/vector_stores/{t.store_id}", {}), silent="what comes back is what was sent"),
    ),
    "DELETE /v1/groups/{group_id}/members/{principal_id}": (
        Way(
            (GROUP, PRINCIPAL),
            lambda t: (f"/v1/groups/{t.group_id}/members/{t.principal_id}", {}),
            silent="what comes back is what was sent",
        ),
    ),
    "DELETE /v1/groups/{group_id}": (
        Way((GROUP,), lambda t: (f"/v1/groups/{t.group_id}", {}), silent="what comes back is what was sent"),
    ),
    "GET /v1/jobs": (
        Way(
            (Slot("job_id", "cursor", "after"),),
            lambda t: ("/v1/jobs", {"params": {"after": t.job_id}}),
            silent=IDS_ALONE,
        ),
        Way(
            (Slot("job_id", "cursor", "before"),),
            lambda t: ("/v1/jobs", {"params": {"before": t.job_id, "order": "asc"}}),
            silent=IDS_ALONE,
        ),
        Way(
            (Slot("job_id", "query", "parent"),),
            lambda t: ("/v1/jobs", {"params": {"parent": t.job_id}}),
            silent=IDS_ALONE,
        ),
    ),
    "GET /v1/jobs/{job_id}": (Way((JOB,), lambda t: (f"/v1/jobs/{t.job_id}", {}), silent=IDS_ALONE),),
    "GET /v1/jobs/{job_id}/content": (
        Way((JOB,), lambda t: (f"/v1/jobs/{t.job_id}/content", {}), silent="what jobs result in holds ids"),
    ),
    "POST /v1/jobs/{job_id}/retry": (
        Way((LATE_JOB,), lambda t: (f"/v1/jobs/{t.late_job_id}/retry", {}), silent=IDS_ALONE),
    ),
    "POST /v1/jobs/{job_id}/cancel": (
        Way((UNWANTED_JOB,), lambda t: (f"/v1/jobs/{t.unwanted_job_id}/cancel", {}), silent=IDS_ALONE),
    ),
    "POST /v1/jobs/{job_id}/redrive": (
        Way((DEAD_JOB,), lambda t: (f"/v1/jobs/{t.dead_job_id}/redrive", {}), silent=IDS_ALONE),
    ),
    # Last of all: with its key the victim would be gone for the others.
    "DELETE /v1/keys/{key_id}": (
        Way((_path("key_id"),), lambda t: (f"/v1/keys/{t.key_id}", {}), silent="what comes back is what was sent"),
    ),
}
# Operations that name nothing of a tenant, with a call that succeeds for whoever may make it.
NAMELESS: dict[str, Call] = {
    "POST /v1/principals": ("/v1/principals", {"json": {"name": "somebody", "role": "customer"}}),
    "POST /v1/groups": ("/v1/groups", {"json": {"name": "a group"}}),
    "GET /v1/limits": ("/v1/limits", {}),
    "GET /v1/schedules": ("/v1/schedules", {}),
    # Named by the code, and so alike for all tenants.
    "POST /v1/schedules/{name}/pause": ("/v1/schedules/retrieval.plan_merges/pause", {}),
    "POST /v1/schedules/{name}/resume": ("/v1/schedules/retrieval.plan_merges/resume", {}),
    "POST /v1/schedules/{name}/run": ("/v1/schedules/retrieval.plan_merges/run", {}),
    "GET /v1/models": ("/v1/models", {}),
    "GET /v1/models/{model}": ("/v1/models/assistant/default", {}),
    "POST /v1/embeddings": ("/v1/embeddings", {"json": {"model": "minilm-l6-v2-int8", "input": "A text."}}),
    "GET /v1/jobs/stats": ("/v1/jobs/stats", {}),
    # Of a queue that nobody has: what it would queue again would be gone for the cases that name a dead letter.
    "POST /v1/jobs/redrive": ("/v1/jobs/redrive", {"json": {"queue": "none"}}),
    "GET /healthz": ("/healthz", {}),
    "GET /readyz": ("/readyz", {}),
    "GET /metrics": ("/metrics", {}),
}
# Parameters and fields of bodies that name nothing that could be another's.
NAMING_NOTHING = {
    *("limit", "by", "days", "action", "filter", "purpose", "visibility", "reuse", "model", "dimensions"),
    *("encoding_format", "query", "max_num_results", "filters", "ranking_options", "rewrite_query", "input", "include"),
    *(
        "instructions",
        "temperature",
        "top_p",
        "order",
        "chunking_strategy",
        "expires_after",
        "requests_per_second",
        "requests_burst",
        "requests_per_hour",
        "restricted",
        "role",
        "kind",
        "disabled",
        "scopes",
        "expires_in_days",
        "state",
        "queue",
    ),
    *("stream", "stream_options", "max_output_tokens", "max_tokens", "max_completion_tokens", "messages"),
}
# `metadata` of a store is text that its maker reads back; elsewhere it names a conversation.
TEXT_ONLY = {
    ("POST /v1/vector_stores", "metadata"),
    ("POST /v1/vector_stores/{store_id}", "metadata"),
    ("POST /v1/vector_stores/{store_id}/files/{file_id}", "attributes"),
    ("POST /v1/vector_stores/{store_id}/file_batches", "attributes"),
    ("POST /v1/principals", "name"),
    ("POST /v1/keys", "name"),
    ("POST /v1/groups", "name"),
    ("POST /v1/schedules/{name}/pause", "name"),
    ("POST /v1/schedules/{name}/resume", "name"),
    ("POST /v1/schedules/{name}/run", "name"),
}
# Asked by name or by request, lists answer a stranger with an empty page, as they answer a name that nobody gave.
EMPTY_FOR = {"name", "request_id", "principal_id", "parent"}
# What a customer may not do at all.
STAFF_ONLY = {
    "GET /v1/audit",
    "PUT /v1/limits/{subject_id}",
    *(name for name in NAMELESS if name.startswith("POST /v1/schedules")),
    *(name for name in (*WAYS, *NAMELESS) if name.endswith("/audience")),
    *(name for name in (*WAYS, *NAMELESS) if name.split()[1].startswith(("/v1/principals", "/v1/keys", "/v1/groups"))),
}


def method_of(operation: str) -> str:
    """Return the HTTP method of an operation."""
    return operation.split(maxsplit=1)[0]


def operations_of(openapi: Mapping[str, Any]) -> set[str]:
    """Return the operations of an OpenAPI document."""
    return {f"{method.upper()} {path}" for path, methods in openapi["paths"].items() for method in methods}


def untold(openapi: Mapping[str, Any]) -> list[str]:
    """Return what the document and this table do not both tell of: operations, parameters, fields of bodies."""
    wrong = [f"{name} stands in one of the two" for name in operations_of(openapi) ^ (WAYS.keys() | NAMELESS.keys())]
    for path, methods in openapi["paths"].items():
        for method, described in methods.items():
            operation = f"{method.upper()} {path}"
            named = {slot.parameter for way in WAYS.get(operation, ()) for slot in way.slots}
            takes = set(_parameters(openapi, described))
            wrong += [
                f"{operation} takes {name}, which has no slot"
                for name in takes - named - NAMING_NOTHING
                if (operation, name) not in TEXT_ONLY
            ]
            wrong += [f"{operation} does not take {name}" for name in named - takes]
    return sorted(wrong)


def _parameters(openapi: Mapping[str, Any], described: Mapping[str, Any]) -> Iterator[str]:
    yield from (parameter["name"] for parameter in described.get("parameters", ()))
    for content in described.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        if "$ref" in schema:
            schema = openapi["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
        yield from schema["properties"]
