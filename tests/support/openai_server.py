"""A stand-in for an OpenAI-compatible provider: real sockets, its wire format, and behaviour that a test scripts.

Each request takes the next of the scripted replies (the last one again and again) and is kept in `requests`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 429: "Too Many Requests", 503: "Service Unavailable"}


@dataclass
class Reply:
    """What one request gets: a status, headers, and pieces of the body, each sent as a chunk of its own.

    `pause` stops before the piece of that index until the client leaves; `breaks` cuts the connection at the end
    instead of ending the body; `silent` never even sends a status.
    """

    pieces: Sequence[bytes] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pause: int | None = None
    breaks: bool = False
    silent: bool = False


@dataclass
class Received:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: dict


def chunk(text: str | None = None, *, finish: str | None = None, **more: object) -> bytes:
    """Return one event of a chat completion stream."""
    delta = {} if text is None else {"role": "assistant", "content": text}
    choices = [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]
    return _event({"choices": choices, **more})


def usage_chunk(input_tokens: int, output_tokens: int) -> bytes:
    """Return the event that carries the usage, as `stream_options.include_usage` asks for it."""
    total = input_tokens + output_tokens
    usage = {"prompt_tokens": input_tokens, "completion_tokens": output_tokens, "total_tokens": total}
    return _event({"choices": [], "usage": usage})


def _event(body: dict) -> bytes:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "stand-in"}
    return b"data: " + json.dumps({**head, **body}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def answer(*texts: str, usage: tuple[int, int] | None = (11, 7), finish: str = "stop") -> Reply:
    """Return a good stream of `texts`."""
    pieces = [chunk(text) for text in texts] + [chunk(finish=finish)]
    if usage:
        pieces.append(usage_chunk(*usage))
    return Reply([*pieces, DONE], headers={"content-type": "text/event-stream"})


def embeddings(vectors: Sequence[Sequence[float]], *, tokens: int | None = 5) -> Reply:
    """Return a good answer of `/embeddings`."""
    data = [{"object": "embedding", "index": i, "embedding": list(vector)} for i, vector in enumerate(vectors)]
    body: dict = {"object": "list", "data": data, "model": "stand-in"}
    if tokens is not None:
        body["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Reply([json.dumps(body).encode()], headers={"content-type": "application/json"})


def failure(status: int, message: str = "no", **headers: str) -> Reply:
    """Return an error of OpenAI's shape."""
    body = json.dumps({"error": {"message": message, "type": "error", "code": None, "param": None}}).encode()
    return Reply([body], status=status, headers={"content-type": "application/json", **headers})


class OpenAiServer:
    """The running stand-in: `url` to call, `replies` to script, `requests` and `departures` to look at."""

    def __init__(self) -> None:
        self.url = ""
        self.replies: list[Reply] = []
        self.requests: list[Received] = []
        # Set when a client closed its connection before the reply was over.
        self.departed = asyncio.Event()
        self.pausing = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._serve_one(reader, writer):
                pass
        writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.requests.append(Received(head[0].split()[1], headers, json.loads(body or b"{}")))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if reply.silent:
            return await self._wait_for_departure(reader)
        status = f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, 'Status')}\r\ntransfer-encoding: chunked\r\n"
        writer.write((status + "".join(f"{n}: {v}\r\n" for n, v in reply.headers.items()) + "\r\n").encode())
        for index, piece in enumerate(reply.pieces):
            if index == reply.pause:
                return await self._wait_for_departure(reader)
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()
        if reply.breaks:
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _wait_for_departure(self, reader: asyncio.StreamReader) -> bool:
        self.pausing.set()
        with suppress(ConnectionError):
            await reader.read()
        self.departed.set()
        return False


@asynccontextmanager
async def openai_server(*replies: Reply) -> AsyncIterator[OpenAiServer]:
    """Run a stand-in that gives `replies` one after the other."""
    standin = OpenAiServer()
    standin.replies = list(replies)
    server = await asyncio.start_server(standin.serve, "127.0.0.1", 0)
    standin.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield standin
    finally:
        server.close()
