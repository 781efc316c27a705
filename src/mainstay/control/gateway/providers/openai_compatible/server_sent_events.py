"""Server-sent events by hand: bytes in as they arrive, the data of each event out."""

from collections.abc import AsyncGenerator, AsyncIterator

EVENT_BYTES_MAX = 1024 * 1024


class EventTooLarge(ValueError):
    """One event is larger than EVENT_BYTES_MAX."""


async def event_data(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """Yield the data of each event of the stream `chunks`; names, ids and comments do not matter here.

    An event that the end of the stream cuts off is not one, as the format has it.
    """
    lines = _Lines()
    data: list[bytes] = []
    async for chunk in chunks:
        for line in lines.take(chunk):
            if not line:
                if data:
                    yield b"\n".join(data)
                data = []
            elif line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
                if sum(map(len, data)) > EVENT_BYTES_MAX:
                    raise EventTooLarge(f"an event is larger than {EVENT_BYTES_MAX} bytes")


class _Lines:
    """Cuts bytes into lines that end with LF, CR or CRLF, wherever the network has cut them."""

    def __init__(self) -> None:
        self._rest = b""
        self._after_cr = False

    def take(self, chunk: bytes) -> list[bytes]:
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        if chunk:
            self._after_cr = chunk.endswith(b"\r")
        parts = (self._rest + chunk).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = parts.pop()
        if len(self._rest) > EVENT_BYTES_MAX:
            raise EventTooLarge(f"a line is longer than {EVENT_BYTES_MAX} bytes")
        return parts
