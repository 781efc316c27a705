"""What is served and what is declared are the same, by whatever means a route is served."""

from dataclasses import replace

import pytest
from fastapi import APIRouter, FastAPI, Request, WebSocket
from starlette.routing import Host, Mount, Route, Router
from starlette.types import Receive, Scope, Send

from mainstay.control.access.door import Permitted, permitted
from mainstay.control.access.operations import DECLARED, Table, parse_table
from mainstay.edge.server.operations import GuardedOperations, require_declared, served_operations

NOTHING = replace(DECLARED, operations={}, public={"GET /openapi.json": "the description"})


async def guarded(caller: Permitted) -> str:
    return caller.role


async def open_to_all() -> str:
    return "anyone"


async def socket(websocket: WebSocket) -> None:
    await websocket.close()


class RawApp:
    """A plain ASGI application, which no framework looks into."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("nothing is asked of it")


def app_with(name: str) -> FastAPI:
    """Return an app with one more route of the kind that `name` says."""
    app = FastAPI(docs_url=None, redoc_url=None)
    router = APIRouter(prefix="/v1")
    match name:
        case "GET /v1/things/{id}":
            router.add_api_route("/things/{id:path}", guarded)
        case "DELETE /v1/open":
            router.add_api_route("/open", open_to_all, methods=["DELETE"])
        case "WEBSOCKET /v1/socket":
            router.add_api_websocket_route("/socket", socket)
        case "ANY /v1/raw":
            app.router.routes.append(Route("/v1/raw", RawApp()))
        case "MOUNT /sub":
            app.router.routes.append(Mount("/sub", RawApp()))
        case "MOUNT /below":
            router.mount("/below", RawApp())
        case _:
            app.router.routes.append(Host("other.example", Router()))
    app.include_router(router)
    return app


KINDS = (
    "GET /v1/things/{id}",
    "DELETE /v1/open",
    "WEBSOCKET /v1/socket",
    "ANY /v1/raw",
    "MOUNT /sub",
    "MOUNT /below",
    "Host ",
)


@pytest.mark.parametrize("kind", KINDS)
def test_undeclared_route_is_refused(kind: str) -> None:
    app = app_with(kind)
    assert kind in {name.removesuffix("None") for name in served_operations(app)}
    with pytest.raises(AssertionError, match="is served and not declared"):
        require_declared(app, NOTHING)


def declaring(*, operations: tuple[str, ...] = (), public: tuple[str, ...] = ()) -> Table:
    some = DECLARED.operations["GET /v1/files"]
    return replace(
        NOTHING,
        operations={name: replace(some, name=name) for name in operations},
        public={**NOTHING.public, **dict.fromkeys(public, "a reason")},
    )


def test_declared_route_is_served() -> None:
    require_declared(app_with("GET /v1/things/{id}"), declaring(operations=("GET /v1/things/{id}",)))
    require_declared(app_with("DELETE /v1/open"), declaring(public=("DELETE /v1/open",)))


@pytest.mark.parametrize(
    ("served", "table", "sentence"),
    [
        ("DELETE /v1/open", declaring(operations=("DELETE /v1/open",)), "asks for no key and needs one"),
        ("GET /v1/things/{id}", declaring(public=("GET /v1/things/{id}",)), "is declared public and asks for a key"),
        (
            "DELETE /v1/open",
            declaring(public=("DELETE /v1/open", "GET /gone")),
            "'GET /gone' is declared and not served",
        ),
    ],
)
def test_route_and_row_that_differ_are_refused(served: str, table: Table, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        require_declared(app_with(served), table)


def test_guarded_operation_is_found_by_the_first_route_that_takes_it() -> None:
    app = app_with("GET /v1/things/{id}")
    app.add_api_route("/v1/things/{id}/parts", guarded)
    app.add_api_route("/v1/things/{id}", guarded, methods=["POST"])
    app.add_api_route("/v1/open", open_to_all)
    found = GuardedOperations(app).find
    # The route of things comes first and takes what looks like a path.
    assert found("GET", "/v1/things/a/parts") == "GET /v1/things/{id}"
    assert found("POST", "/v1/things/a") == "POST /v1/things/{id}"
    assert [found("POST", "/v1/things/a/b"), found("PUT", "/v1/things/a"), found("GET", "/v1/open")] == [None] * 3


@pytest.mark.parametrize("proved", [None, "GET /v1/files"])
async def test_operation_runs_only_with_the_permission_that_was_proved_for_it(proved: str | None) -> None:
    route = Route("/v1/keys", RawApp(), methods=["GET"])
    scope = {"type": "http", "method": "GET", "route": route, "state": {"operation": proved, "caller": "anyone"}}
    with pytest.raises(AssertionError, match="was proved, and 'GET /v1/keys' runs"):
        await permitted(Request(scope))
    scope["state"]["operation"] = "GET /v1/keys"
    assert await permitted(Request(scope)) == "anyone"


GOOD = """
[roles]
owner = { sees_all = true, permissions = [PERMISSIONS] }
admin = { sees_all = true, permissions = [] }
reviewer = { sees_all = true, permissions = [] }
engineer = { sees_all = true, permissions = [] }
product = { sees_all = false, permissions = [] }
customer = { sees_all = false, permissions = [] }
service = { sees_all = false, permissions = [] }
[permissions]
PURPOSES
[operations]
"GET /v1/a" = { permission = "ask" }
[public]
"GET /b" = "a reason"
""".replace("PERMISSIONS", ", ".join(f'"{one}"' for one in DECLARED.purposes)).replace(
    "PURPOSES", "\n".join(f'"{one}" = "x"' for one in DECLARED.purposes)
)


@pytest.mark.parametrize(
    ("good", "bad", "sentence"),
    [
        ('permission = "ask"', 'permission = "dance"', "are no permissions"),
        ('"ask" = "x"', "", "the permissions are not those"),
        ("admin = ", "guest = ", "the roles are not those"),
        ('"GET /b"', '"GET /v1/a"', "both public and not"),
        ('"GET /v1/a" = { permission = "ask"', '"POST /v1/a" = { operator = true, permission = "ask"', "only read"),
    ],
)
def test_table_that_contradicts_itself_is_refused(good: str, bad: str, sentence: str) -> None:
    assert parse_table(GOOD).operations.keys() == {"GET /v1/a"}
    assert good in GOOD
    with pytest.raises(AssertionError, match=sentence):
        parse_table(GOOD.replace(good, bad, 1))
