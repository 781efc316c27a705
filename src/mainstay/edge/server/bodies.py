"""Bodies, read and proved before any route sees them, so that each route, also one added later, gets only good ones."""

from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Final

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mainstay.edge.server.limits import EdgeLimits
from mainstay.edge.server.receipt import BodyReceipt, declared_bytes, has_body
from mainstay.edge.server.refusals import Refused, invalid_body
from mainstay.edge.server.room import Room
from mainstay.edge.server.strict_json import check_json

# Where a file may be sent. Whoever adds a route of uploads adds it here; until then it is refused as too large.
UPLOAD_PATHS: Final = frozenset({"/v1/files"})
# As RFC 2046 has it.
BOUNDARY_BYTES_MAX: Final = 70


class ProvedBodies:
    """Refuses bodies of another kind than a route takes, JSON that is not strict, and forms of too many parts."""

    def __init__(self, app: ASGIApp, *, limits: EdgeLimits) -> None:
        self._app = app
        self._limits = limits
        self._json_room = Room("large bodies", limits.json_room_bytes, limits.room_wait_s)
        self._upload_room = Room("uploads", limits.upload_room_bytes, limits.room_wait_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or not has_body(headers := Headers(scope=scope)) or _goes_nowhere(scope):
            await self._app(scope, receive, send)
            return
        receipt: BodyReceipt = scope["state"]["receipt"]
        async with AsyncExitStack() as stack:
            if scope["path"] in UPLOAD_PATHS:
                boundary = _require_boundary(headers)
                await self._reserve(stack, self._upload_room, headers, receipt.bytes_max)
                receive = _Parts(receive, boundary, self._limits.multipart_parts_max).receive
            else:
                _require_json(headers)
                await self._reserve(stack, self._json_room, headers, receipt.bytes_max)
                body = await receipt.whole()
                if body and not receipt.disconnected:
                    limits = self._limits
                    check_json(body, depth_max=limits.json_depth_max, integer_digits_max=limits.integer_digits_max)
            await self._app(scope, receive, send)

    async def _reserve(self, stack: AsyncExitStack, room: Room, headers: Headers, bytes_max: int) -> None:
        size = min(declared_bytes(headers, default=bytes_max), bytes_max)
        if size > self._limits.body_counted_bytes:
            await stack.enter_async_context(room.reserved(size))


def _goes_nowhere(scope: Scope) -> bool:
    """Return whether no route takes the request, so that its body is not worth reading before it is told so."""
    return "operation" in scope["state"] and scope["state"]["operation"] is None


class _Parts:
    """Counts the parts of a form while it passes; the parser behind it would make a file or a field of each."""

    def __init__(self, receive: Receive, boundary: bytes, parts_max: int) -> None:
        self._receive = receive
        self._mark = b"\r\n--" + boundary
        # The last mark ends the form.
        self._marks_max = parts_max + 1
        self._marks = 0
        # The first mark has no line before it. Later the end of what has passed, where a mark may have begun.
        self._tail = b"\r\n"

    async def receive(self) -> Message:
        message = await self._receive()
        seen = self._tail + message.get("body", b"")
        self._marks += seen.count(self._mark)
        self._tail = seen[-(len(self._mark) - 1) :]
        if self._marks > self._marks_max:
            raise invalid_body(f"The form has more than {self._marks_max - 1} parts; send one file and its few fields.")
        return message


def _require_json(headers: Headers) -> None:
    # As the routes behind read it: any subtype that is JSON or ends in it.
    kind = parse_options_header(headers.get("content-type"))[0].decode("latin-1")
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise _unsupported(kind, "application/json")


def _require_boundary(headers: Headers) -> bytes:
    kind, parameters = parse_options_header(headers.get("content-type"))
    if kind != b"multipart/form-data":
        raise _unsupported(kind.decode("latin-1"), "multipart/form-data")
    boundary = parameters.get(b"boundary", b"")
    if not 1 <= len(boundary) <= BOUNDARY_BYTES_MAX:
        raise invalid_body(f"The boundary of a form has 1 to {BOUNDARY_BYTES_MAX} characters, not {len(boundary)}.")
    return boundary


def _unsupported(kind: str, wanted: str) -> Refused:
    message = f"The body is of the type '{kind[:80] or 'unknown'}'; send it as {wanted}."
    return Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
