"""Standard output of a command holds its result alone, whatever is logged while it works."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

DEADLINE_S = 60
TEXT = b"The ferry sails at noon."
STORE = {"id": f"vs_{'0' * 32}", "name": "ferries"}
KNOWN = {
    "external_id": "ferry.txt",
    "sha256": sha256(TEXT).hexdigest(),
    "id": f"file-{'0' * 32}",
    "document_id": f"doc_{'0' * 32}",
    "status": "completed",
    "last_error": None,
    "version": 1,
    "page_count": 1,
    "chunk_count": 1,
    "unchanged": True,
}


class _Restarting(BaseHTTPRequestHandler):
    """Has the store and its one file, and is first found in the middle of a restart."""

    restarts = 1

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        known = self.path.endswith("/known_files")
        restarting = known and _Restarting.restarts > 0
        _Restarting.restarts -= restarting
        self.send_response(503 if restarting else 200)
        self.end_headers()
        unavailable = {"error": {"code": "unavailable", "message": "The database does not answer."}}
        self.wfile.write(json.dumps(unavailable if restarting else {"data": [KNOWN]} if known else STORE).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name in the standard library)
        return


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Restarting) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def test_what_is_logged_of_a_restart_stays_out_of_the_result(address: str, tmp_path: Path) -> None:
    (tmp_path / "ferry.txt").write_bytes(TEXT)
    done = subprocess.run(
        [sys.executable, "-m", "mainstay.edge.cli.app", "ingest", str(tmp_path / "ferry.txt"), "--json"],
        env={**os.environ, "MAINSTAY_URL": address, "MAINSTAY_API_KEY": "ms_key"},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    assert "retry_scheduled" in done.stderr
    assert json.loads(done.stdout)["completed"] == 1


PROGRAM = """
import logging, structlog
from mainstay.edge.cli.app import guarded
from mainstay.edge.cli.output import print_json
def command():
    structlog.get_logger("ours").warning("we say")
    logging.getLogger("theirs").warning("they say")
    print_json({"all": "well"})
guarded(command)
"""


def test_logs_of_any_command_go_to_standard_error() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=DEADLINE_S, check=True
    )
    assert json.loads(done.stdout) == {"all": "well"}
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["we say", "they say"]
