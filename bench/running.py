"""The whole of Mainstay as a user starts it, `mainstay up`, in a temporary home."""

import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.postgres import MODELS
from bench.process_cpu import descendants
from mainstay.edge.up.readiness import is_ready
from mainstay.platform.postgres import ScopeKey, load_scope_key
from mainstay.platform.postgres.embedded import EmbeddedCluster, cluster_folder
from mainstay.platform.processes.account import unprivileged_account
from mainstay.platform.processes.ports import pick_port
from mainstay.sdk import Client

HOST = "127.0.0.1"
MAINSTAY = Path(sys.executable).with_name("mainstay")
_START_DEADLINE_S = 180.0
_STOP_DEADLINE_S = 60.0
_QUIET_DEADLINE_S = 120.0


@dataclass(frozen=True)
class RunningSystem:
    """What runs, and the processes to be watched."""

    home: Path
    port: int
    key: str
    server: int
    worker: int
    postmaster: int
    cluster: EmbeddedCluster
    scope_key: ScopeKey

    @property
    def environment(self) -> dict[str, str]:
        """What the command line needs to reach it."""
        return {**os.environ, "MAINSTAY_HOME": str(self.home), "MAINSTAY_PORT": str(self.port)}

    def client(self) -> Client:
        """Return a client with the key of the first start."""
        return Client(f"http://{HOST}:{self.port}", self.key)


@contextmanager
def running_system(folder: Path) -> Generator[RunningSystem]:
    """Start it and wait until it is ready and has ingested its samples; stop it when the block ends."""
    home = folder / "home"
    home.mkdir(mode=0o711)
    MODELS.mkdir(parents=True, exist_ok=True)
    (home / "models").symlink_to(MODELS)
    port = pick_port(HOST)
    environment = {**os.environ, "MAINSTAY_HOME": str(home), "MAINSTAY_PORT": str(port)}
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen([MAINSTAY, "up"], env=environment, stdout=log, stderr=log)
    try:
        _wait_ready(process, port, folder / "up.log")
        cluster = EmbeddedCluster(cluster_folder(home, unprivileged_account()))
        cluster.attach()
        running = RunningSystem(
            home=home,
            port=port,
            key=(home / "keys" / "demo.key").read_text(encoding="ascii").strip(),
            server=_only(process.pid, "mainstay.edge.server"),
            worker=_only(process.pid, "mainstay.edge.worker"),
            postmaster=_only(process.pid, " -D "),
            cluster=cluster,
            scope_key=load_scope_key(None, home / "keys" / "scope.key"),
        )
        with running.client() as client:
            _wait_quiet(client)
        yield running
    finally:
        process.terminate()
        process.wait(_STOP_DEADLINE_S)


def _wait_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_DEADLINE_S
    while not is_ready(HOST, port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"`mainstay up` was not ready in {_START_DEADLINE_S:g} s:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)


def _wait_quiet(client: Client) -> None:
    deadline = time.monotonic() + _QUIET_DEADLINE_S
    while any(store["status"] == "in_progress" for store in client.pages("/v1/vector_stores")):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the samples were not ingested in {_QUIET_DEADLINE_S:g} s: see the worker's log")
        time.sleep(0.2)


def _only(root: int, words: str) -> int:
    # A child of the one that is meant (a parser's, a session's) has it as its parent and a higher pid.
    found = descendants(root, words)
    if not found:
        raise RuntimeError(f"`mainstay up` has no process with '{words}'")
    return min(found)
