"""Server-sent events whose source is closed when the response ends, also when the client leaves before the first."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Self

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class EventStream(StreamingResponse):
    """A stream of encoded events.

    Its generator holds what must be settled when a client leaves. Left to the garbage collector it would be closed at
    some moment of some other task, perhaps in the middle of that one's transaction.
    """

    def __init__(self, first: bytes, rest: AsyncGenerator[bytes]) -> None:
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        super().__init__(_chained(first, rest), media_type="text/event-stream", headers=headers)
        self._rest = rest

    @classmethod
    async def begun(cls, events: AsyncGenerator[bytes]) -> Self:
        """Return a response once the first event has come, so that what cannot begin is refused with a status."""
        return cls(await anext(events), events)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until they end or the client leaves."""
        async with aclosing(self._rest):
            await super().__call__(scope, receive, send)


async def _chained(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    yield first
    async for event in rest:
        yield event
