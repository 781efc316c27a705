"""Who asks, and whether it may, is proved before a body is read, on every path that is not declared public."""

from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from mainstay.control.access.door import permit, prove
from mainstay.control.access.operations import DECLARED
from mainstay.edge.server.rate_limits import admit

# What anyone may read, as the declared table has it. A route that is added later needs a key until it stands there.
_PUBLIC: Final = [operation.split(" ", 1) for operation in DECLARED.public]
PUBLIC_PATHS: Final = frozenset(path for method, path in _PUBLIC if method != "MOUNT")
PUBLIC_FOLDERS: Final = tuple(f"{path}/" for method, path in _PUBLIC if method == "MOUNT")


class RequireKey:
    """Refuses a request without a valid key, or without the permission of what it asks for.

    Its body still lies unread with whoever sent it, so that nobody makes us receive what they may not send.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http" and not is_public(scope["path"]):
            request = Request(scope)
            await admit(request, await prove(request))
            permit(request, request.app.state.operations.find(scope["method"], scope["path"]))
        await self._app(scope, receive, send)


def is_public(path: str) -> bool:
    """Return whether a path is open to everyone."""
    return path in PUBLIC_PATHS or path.startswith(PUBLIC_FOLDERS)
