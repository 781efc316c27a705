"""A thin client on httpx2: one method per route that the command line needs, JSON in and out."""

import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx2
import stamina

Json = dict[str, Any]

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 300.0
PAGE_LIMIT = 100
# A limit that gives way later than this, as the cap of an hour may, is an error at once.
RETRY_AFTER_MAX_S = 60.0


class Unreachable(Exception):
    """Nothing answers at the address."""


class ApiError(Exception):
    """The server refused or failed; `message` is its own sentence, `retry_after_s` when it may be tried again."""

    def __init__(
        self, status: int, code: str | None, message: str, request_id: str | None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.request_id = request_id
        self.retry_after_s = retry_after_s


class Client:
    """Talks to one server with one key."""

    def __init__(self, address: str, key: str) -> None:
        self.address = address
        timeout = httpx2.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        headers = {"authorization": f"Bearer {key}"}
        # Certificates take 50 ms to load, and are of no use to an address without TLS: no redirect is followed.
        verify = not address.startswith("http:")
        # A proxy of the environment is for the outside; the system runs here or at an address that was given.
        self._http = httpx2.Client(base_url=address, headers=headers, timeout=timeout, verify=verify, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def call(self, method: str, path: str, *, patience_s: float = 0.0, **options: Any) -> Json:
        """Return the JSON of one exchange; raises ApiError or Unreachable.

        With `patience_s` an exchange that met a restart (no answer, or 503) or a limit that gives way within a minute
        is tried again for that long: only for those that can be done twice.
        """
        if not patience_s:
            return self._call(method, path, **options)
        for attempt in stamina.retry_context(on=_pause, attempts=None, timeout=patience_s, wait_max=2.0):
            with attempt:
                return self._call(method, path, **options)
        raise AssertionError("a retry ends with a result or an error")

    def _call(self, method: str, path: str, **options: Any) -> Json:
        with self._sent(path):
            response = self._http.request(method, path, **options)
        _check(response)
        return response.json()

    def pages(self, path: str, *, patience_s: float = 0.0, **params: Any) -> Iterator[Json]:
        """Yield the objects of a list, page after page."""
        after: str | None = None
        while True:
            wanted = {"limit": PAGE_LIMIT, **params, **({"after": after} if after else {})}
            page = self.call("GET", path, patience_s=patience_s, params=wanted)
            yield from page["data"]
            if not page.get("has_more") or not page["data"]:
                return
            after = page["last_id"]

    def upload(self, path: Path, *, patience_s: float = 0.0) -> Json:
        """Upload one file and return its record."""
        file = (path.name, path.read_bytes())
        return self.call(
            "POST", "/v1/files", patience_s=patience_s, files={"file": file}, data={"purpose": "assistants"}
        )

    def store(self, name_or_id: str, *, create: bool) -> Json | None:
        """Return the store of a name or an id; one that a name does not find is made where `create` says so."""
        if name_or_id.startswith("vs_") and len(name_or_id) == 35:
            return self.call("GET", f"/v1/vector_stores/{name_or_id}")
        if create:
            return self.call("POST", "/v1/vector_stores", json={"name": name_or_id, "reuse": True})
        found = self.call("GET", "/v1/vector_stores", params={"name": name_or_id})["data"]
        return found[0] if found else None

    def events(self, path: str, body: Mapping[str, Any]) -> Iterator[Json]:
        """Yield the server-sent events of a streamed answer."""
        with self._sent(path), self._http.stream("POST", path, json={**body, "stream": True}) as response:
            if response.status_code >= 400:
                response.read()
            _check(response)
            for line in _lines(response.iter_bytes()):
                if line.startswith(b"data: ") and line != b"data: [DONE]":
                    yield json.loads(line.removeprefix(b"data: "))

    @contextmanager
    def _sent(self, path: str) -> Generator[None]:
        try:
            yield
        except httpx2.TransportError as error:
            raise Unreachable(f"{self.address}{path}: {error or type(error).__name__}") from error


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the lines of a stream; only LF ends one, not what else ends a line of text and may stand in an answer."""
    left = b""
    for piece in pieces:
        *lines, left = (left + piece).split(b"\n")
        yield from lines


def _pause(error: Exception) -> bool | float:
    """Return whether to try again, or after how many seconds."""
    if isinstance(error, ApiError) and error.status == 429:
        return error.retry_after_s if error.retry_after_s and error.retry_after_s <= RETRY_AFTER_MAX_S else False
    return isinstance(error, Unreachable) or (isinstance(error, ApiError) and error.status == 503)


def _check(response: httpx2.Response) -> None:
    if response.status_code < 400:
        return
    request_id = response.headers.get("x-request-id")
    after_ms = response.headers.get("retry-after-ms", "")
    retry_after_s = int(after_ms) / 1000 if after_ms.isdecimal() else None
    try:
        error = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        raise ApiError(response.status_code, None, f"HTTP {response.status_code}", request_id, retry_after_s) from None
    raise ApiError(response.status_code, error.get("code"), error.get("message") or "", request_id, retry_after_s)
