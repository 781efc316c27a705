"""What the app serves, by any means, held to the declared table: an operation that nobody declared is not served."""

import re
from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.routing import Mount, Route, WebSocketRoute

from mainstay.control.access.door import permitted
from mainstay.control.access.operations import Table
from mainstay.kernel.errors import invariant


def served_operations(app: FastAPI) -> dict[str, bool]:
    """Return the operations of the app, each with whether it asks for a key and a permission."""
    return {name: guarded for route in iter_route_contexts(app.routes) for name, guarded in _operations(route)}


def require_declared(app: FastAPI, table: Table) -> None:
    """Raise AssertionError with a sentence for each operation in which the app and the table differ."""
    served = served_operations(app)
    differences = table.differences(
        guarded=(name for name, guarded in served.items() if guarded),
        open_to_all=(name for name, guarded in served.items() if not guarded),
    )
    invariant(bool(served) and not differences, f"{len(served)} operations are served: " + "; ".join(differences))


class GuardedOperations:
    """Finds the operation that a request asks for as the router will, by the first route that takes it."""

    def __init__(self, app: FastAPI) -> None:
        self._by_method: dict[str, list[tuple[re.Pattern[str], str]]] = {}
        for route in iter_route_contexts(app.routes):
            for name, guarded in _operations(route):
                if guarded:
                    method = name.split(" ", 1)[0]
                    self._by_method.setdefault(method, []).append((route.path_regex, name))

    def find(self, method: str, path: str) -> str | None:
        """Return the name of the operation in the declared table, or None where no route that needs a key takes it."""
        return next((name for pattern, name in self._by_method.get(method, ()) if pattern.match(path)), None)


def _operations(route: RouteContext) -> Iterator[tuple[str, bool]]:
    """Yield the operations of a route by the form in which the table has them."""
    match route.original_route:
        case Route():
            dependant: Dependant | None = getattr(route, "dependant", None)
            guarded = dependant is not None and _depends_on_the_door(dependant)
            # What takes every method says so; HEAD comes with GET.
            for method in sorted(set(route.methods or {"ANY"}) - {"HEAD"}):
                yield f"{method} {route.path_format}", guarded
        case Mount():
            yield f"MOUNT {route.path}", False
        case WebSocketRoute():
            yield f"WEBSOCKET {route.path}", False
        case other:
            yield f"{type(other).__name__} {route.path}", False


def _depends_on_the_door(dependant: Dependant) -> bool:
    return any(one.call is permitted or _depends_on_the_door(one) for one in dependant.dependencies)
