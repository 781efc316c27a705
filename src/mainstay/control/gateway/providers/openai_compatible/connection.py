"""One upstream: its address and key, its deadlines, and every way in which it can fail, in one place."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import NoReturn

import httpx2
import orjson

from mainstay.control.gateway.errors import ModelMisconfigured, ModelUnavailable
from mainstay.control.gateway.providers.openai_compatible.policy import Deadlines, Retriable, failure_of_status
from mainstay.platform.postgres import outside_transaction

ERROR_BODY_BYTES_MAX = 64 * 1024
CONNECTIONS_MAX = 100
# What is known to be broken off before an answer began may be sent again; what was garbled may not.
_RESETS = (httpx2.NetworkError, httpx2.RemoteProtocolError)


class Connection:
    """Sends JSON to `{url}/{path}` with the key in the header; the key stands nowhere else, also not in errors."""

    def __init__(self, url: str, model: str, key: str | None, deadlines: Deadlines) -> None:
        if not url.startswith(("http://", "https://")):
            raise ModelMisconfigured(f"MAINSTAY_MODEL_URL is '{url}'; it must begin with http:// or https://.")
        self.host = httpx2.URL(url).host
        self.deadlines = deadlines
        self._url = url.rstrip("/")
        self._model = model
        self._key = key
        self._client = httpx2.AsyncClient(
            headers={"authorization": f"Bearer {key}"} if key else {},
            timeout=httpx2.Timeout(None, connect=deadlines.connect_s, pool=deadlines.first_byte_s),
            limits=httpx2.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    @asynccontextmanager
    async def post(
        self, path: str, body: dict[str, object], *, ends_at: float
    ) -> AsyncGenerator[AsyncGenerator[bytes]]:
        """Send `body`, and give the chunks of a good answer as they come; leaving the block closes the connection.

        `ends_at` is the loop's time at which the whole call must be over. Raises Retriable or a MainstayError.
        """
        outside_transaction("model provider")
        request = self._client.build_request(
            "POST", f"{self._url}/{path}", content=orjson.dumps(body), headers={"content-type": "application/json"}
        )
        first_byte_at = min(ends_at, asyncio.get_running_loop().time() + self.deadlines.first_byte_s)
        response = await self._send(request, first_byte_at)
        try:
            if response.status_code != 200:
                raise failure_of_status(
                    response.status_code, response.headers, await self._detail(response, first_byte_at), self._model
                )
            yield self._chunks(response, first_byte_at, ends_at)
        finally:
            await response.aclose()

    async def _send(self, request: httpx2.Request, first_byte_at: float) -> httpx2.Response:
        try:
            async with asyncio.timeout_at(first_byte_at):
                return await self._client.send(request, stream=True)
        except TimeoutError:
            self._too_slow("did not begin to answer in time")
        except httpx2.HTTPError as error:
            self._broken(error)

    async def _chunks(self, response: httpx2.Response, first_byte_at: float, ends_at: float) -> AsyncGenerator[bytes]:
        chunks = response.aiter_bytes()
        clock = asyncio.get_running_loop().time
        wait_until = first_byte_at
        while True:
            try:
                async with asyncio.timeout_at(wait_until):
                    chunk = await anext(chunks, None)
            except TimeoutError:
                self._too_slow("stopped in the middle of its answer" if clock() < ends_at else "took too long in all")
            except httpx2.HTTPError as error:
                self._broken(error)
            if chunk is None:
                return
            yield chunk
            wait_until = min(ends_at, clock() + self.deadlines.between_chunks_s)

    async def _detail(self, response: httpx2.Response, ends_at: float) -> str:
        """Return the provider's own sentence about its failure, without the key; an empty one when it is unreadable."""
        body = b""
        try:
            async with asyncio.timeout_at(ends_at):
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > ERROR_BODY_BYTES_MAX:
                        break
        except (TimeoutError, httpx2.HTTPError):
            return ""
        return self.without_key(error_sentence(body))

    def without_key(self, text: str) -> str:
        """Return `text` with the key taken out, should a provider repeat it."""
        return text.replace(self._key, "[key]") if self._key else text

    def _too_slow(self, what: str) -> NoReturn:
        raise ModelUnavailable(f"The provider of {self._model} {what}. Try again later.") from None

    def _broken(self, error: httpx2.HTTPError) -> NoReturn:
        # The kind of the fault alone: an address or a header could stand in the library's own words.
        failure = ModelUnavailable(
            f"The connection to the provider of {self._model} failed ({type(error).__name__}). Try again later."
        )
        if isinstance(error, (*_RESETS, httpx2.ConnectTimeout)):
            raise Retriable(failure) from None
        raise failure from None


def error_sentence(body: bytes) -> str:
    """Return the message in an error body of OpenAI's shape, or of the plainer shapes that others use."""
    try:
        parsed: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    if isinstance(parsed, dict):
        error = parsed.get("error", parsed.get("detail"))
        message = error.get("message") if isinstance(error, dict) else error
        if isinstance(message, str):
            return " ".join(message.split())
    return ""
