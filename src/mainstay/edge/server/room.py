"""Room that requests share: bytes that are reserved before a body is received, and waited for where none is left."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from mainstay.edge.server.refusals import busy


class Room:
    """So many bytes, given out in the order in which they were asked for."""

    def __init__(self, what: str, bytes_max: int, wait_s: float) -> None:
        self._what = what
        self._wait_s = wait_s
        self._free = bytes_max
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def reserved(self, size: int) -> AsyncGenerator[None]:
        """Hold `size` bytes while the block runs; raises Refused where they do not become free in time."""
        await self._take(size)
        try:
            yield
        finally:
            self._give(size)

    async def _take(self, size: int) -> None:
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = (size, granted)
        self._waiting.append(place)
        self._serve()
        try:
            async with asyncio.timeout(self._wait_s):
                await granted
        except BaseException as ended:
            if place in self._waiting:
                self._waiting.remove(place)
                self._serve()
            else:
                self._give(size)
            if isinstance(ended, TimeoutError):
                raise busy(f"Too many {self._what} are being received at once; try again in a moment.") from None
            raise

    def _give(self, size: int) -> None:
        self._free += size
        self._serve()

    def _serve(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            size, granted = self._waiting.popleft()
            self._free -= size
            if not granted.done():
                granted.set_result(None)
