"""A Redis in a temporary folder, as its package configures it: snapshots, and no log that is synced."""

import shutil
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from mainstay.platform.processes.ports import pick_port

MISSING = "redis-server is not installed (Debian: apt-get install redis-server)"
_START_DEADLINE_S = 20.0


@contextmanager
def running_redis(folder: Path) -> Generator[str | None]:
    """Run a Redis and yield its address; None where there is no redis-server."""
    server = shutil.which("redis-server")
    if server is None:
        yield None
        return
    port = pick_port("127.0.0.1")
    folder.mkdir()
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen(
            [server, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)], stdout=log, stderr=log
        )
    try:
        _wait_for(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(port: int) -> None:
    end = time.monotonic() + _START_DEADLINE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return
