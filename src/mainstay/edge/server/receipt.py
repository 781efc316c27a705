"""The receipt of one body: counted as it comes, and waited for no longer than a client deserves."""

import asyncio
from collections import deque
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import Message, Receive

from mainstay.edge.server.limits import EdgeLimits
from mainstay.edge.server.refusals import body_too_large, too_slow


class BodyReceipt:
    """Receives the body of one request.

    Only the time spent here counts, which is the client's: what the server takes to look at a piece does not.
    """

    def __init__(
        self, receive: Receive, limits: EdgeLimits, *, bytes_max: int, timeout_s: float, expected: bool
    ) -> None:
        self._receive = receive
        self._limits = limits
        self.bytes_max = bytes_max
        self._left_s = timeout_s
        self._patience_s = limits.body_patience_s
        self._bytes = 0
        self._again: deque[Message] = deque()
        # Whether all of it has come, or its client has gone.
        self.ended = not expected
        self.disconnected = False

    def check_declared(self, headers: Headers) -> None:
        """Raise Refused for a body that says itself that it is too large."""
        if declared_bytes(headers, default=0) > self.bytes_max:
            raise body_too_large(self.bytes_max)

    async def receive(self) -> Message:
        """Return the next message; raises Refused for a body that is too large or does not come."""
        if self._again:
            return self._again.popleft()
        if self.ended:
            return await self._receive()
        message = await self._in_time()
        self._note(message)
        if self._bytes > self.bytes_max:
            raise body_too_large(self.bytes_max)
        return message

    async def whole(self) -> bytes:
        """Return the whole body, or what came of it before its client left; it can be received once more afterwards."""
        messages: list[Message] = []
        while not self.ended:
            messages.append(await self.receive())
        body = b"".join(message.get("body", b"") for message in messages)
        gone = [message for message in messages if message["type"] == "http.disconnect"]
        self._again.extend(gone or [{"type": "http.request", "body": body, "more_body": False}])
        return body

    async def discard(self) -> None:
        """Throw away what still comes, for a moment: cut off at once, a client could lose the refusal it was sent."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.linger_s):
                discarded = 0
                while not self.ended and discarded <= self._limits.linger_bytes_max:
                    message = await self._receive()
                    discarded += len(message.get("body", b""))
                    self._note(message)

    async def _in_time(self) -> Message:
        loop = asyncio.get_running_loop()
        asked = loop.time()
        try:
            async with asyncio.timeout(min(self._patience_s, self._left_s)):
                message = await self._receive()
        except TimeoutError:
            raise too_slow("body", min(self._limits.body_patience_s, self._limits.body_timeout_s)) from None
        waited_s = loop.time() - asked
        self._left_s -= waited_s
        restored_s = len(message.get("body", b"")) / self._limits.body_bytes_per_s_min
        self._patience_s = min(self._limits.body_patience_s, self._patience_s - waited_s + restored_s)
        return message

    def _note(self, message: Message) -> None:
        self._bytes += len(message.get("body", b""))
        self.disconnected = message["type"] == "http.disconnect"
        self.ended = self.disconnected or not message.get("more_body", False)


def has_body(headers: Headers) -> bool:
    """Return whether a body follows the head of a request."""
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def declared_bytes(headers: Headers, *, default: int) -> int:
    """Return how large a body says it is, or `default` where it does not say."""
    declared = headers.get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdecimal() else default
