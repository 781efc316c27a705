import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mainstay.sdk import ApiError, Client

# What str.splitlines takes for the end of a line, and documents hold: line and paragraph separators, next line.
TEXT = "one\u2028two\u2029three\u0085four"

SEEN: list[str] = []


class _Stream(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()
        for byte in f'event: delta\ndata: {{"text": "{TEXT}"}}\n\ndata: [DONE]\n\n'.encode():
            self.wfile.write(bytes([byte]))

    def do_GET(self) -> None:
        """Refuse the first request of each path, for as many milliseconds as its last part says."""
        first = self.path not in SEEN
        SEEN.append(self.path)
        self.send_response(429 if first else 200)
        if first:
            self.send_header("retry-after-ms", self.path.rpartition("/")[2])
        self.end_headers()
        self.wfile.write(b'{"error": {"code": "rate_limit_exceeded", "message": "wait"}}' if first else b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name in the standard library)
        return


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Stream) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def test_event_ends_only_where_a_line_feed_is(address: str) -> None:
    with Client(address, "key") as client:
        assert list(client.events("/stream", {})) == [{"text": TEXT}]


def test_patience_waits_for_a_limit_as_long_as_it_says(address: str) -> None:
    with Client(address, "key") as client:
        began = time.monotonic()
        assert client.call("GET", "/soon/120", patience_s=10) == {}
        assert 0.12 <= time.monotonic() - began < 5
        assert SEEN.count("/soon/120") == 2


@pytest.mark.parametrize(("path", "patience_s"), [("/next-hour/900000", 1000.0), ("/impatient/50", 0.0)])
def test_limit_that_gives_way_too_late_is_an_error_at_once(address: str, path: str, patience_s: float) -> None:
    with Client(address, "key") as client, pytest.raises(ApiError) as refused:
        client.call("GET", path, patience_s=patience_s)
    assert refused.value.status == 429
    assert refused.value.retry_after_s == int(path.rpartition("/")[2]) / 1000
    assert SEEN.count(path) == 1
