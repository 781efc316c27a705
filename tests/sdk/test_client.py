import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mainstay.sdk import Client

# What str.splitlines takes for the end of a line, and documents hold: line and paragraph separators, next line.
TEXT = "one\u2028two\u2029three\u0085four"


class _Stream(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()
        for byte in f'event: delta\ndata: {{"text": "{TEXT}"}}\n\ndata: [DONE]\n\n'.encode():
            self.wfile.write(bytes([byte]))

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
