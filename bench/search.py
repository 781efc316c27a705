"""`python -m bench.search`: searches per CPU second of the server with row security on (F.A1, F.A2).

`POST /v1/vector_stores/{id}/search` of the system as `mainstay up` runs it, beside the same route written by hand in
FastAPI, uvicorn and psycopg (peers/search_app.py) on the same PostgreSQL without row security, and beside loops over
the same statements without HTTP. Both servers get the same questions over the same number of connections; rounds take
turns. CPU is that of the server's process and of all of PostgreSQL's meanwhile; the client's does not count. Both embed
the question with the same model, whose CPU time is measured alone and told beside.
"""

import argparse
import asyncio
import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.contender import PEERS_PYTHON, REPOSITORY, peers_missing, versions
from bench.figures import Figure, machine, print_figures, save_figures
from bench.large_store import LargeStore, loop_searches, make_large_store
from bench.postgres import MODELS, temporary_folder
from bench.process_cpu import tree_cpu_s
from bench.running import HOST, RunningSystem, running_system
from mainstay.control.gateway.models import Vectors
from mainstay.control.gateway.providers.minilm import MiniLm
from mainstay.edge.up.readiness import is_ready
from mainstay.kernel.ids import encode_id
from mainstay.platform.processes.ports import pick_port

ROUNDS = 5
CHUNKS = 10_000
QUESTIONS = 200
CONNECTIONS = 4
RESULTS = 10
LOOP_TURNS = 3
_START_DEADLINE_S = 60.0


@dataclass(frozen=True)
class Server:
    """A server to be asked, and its process."""

    port: int
    pid: int


@dataclass(frozen=True)
class Spent:
    """CPU milliseconds of one request, and milliseconds on the clock of the median one."""

    server_ms: float
    postgres_ms: float
    latency_ms: float

    @property
    def all_ms(self) -> float:
        """Server and PostgreSQL together."""
        return self.server_ms + self.postgres_ms


@contextmanager
def peer_server(system: RunningSystem, log: Path) -> Generator[Server]:
    """Run the hand-written route until the block ends."""
    port = pick_port(HOST)
    command = [PEERS_PYTHON, "-m", "uvicorn", "bench.peers.search_app:app", "--port", str(port), "--no-access-log"]
    environment = {**os.environ, "DATABASE_URL": system.cluster.superuser_url, "MODELS": str(MODELS)}
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + _START_DEADLINE_S
        while not is_ready(HOST, port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the peer's server did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield Server(port, process.pid)
    finally:
        process.terminate()
        process.wait(20)


def ask_all(port: int, key: str, store: LargeStore) -> list[float]:
    """Ask every question once over a few connections and return the seconds of each."""
    path = f"/v1/vector_stores/{encode_id('vs_', store.id)}/search"
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}

    def ask_some(questions: Sequence[str]) -> list[float]:
        connection = http.client.HTTPConnection(HOST, port, timeout=30)
        seconds: list[float] = []
        for question in questions:
            started = time.perf_counter()
            connection.request("POST", path, json.dumps({"query": question, "max_num_results": RESULTS}), headers)
            response = connection.getresponse()
            body = json.loads(response.read())
            assert response.status == 200, f"{response.status}: {body}"
            assert body["data"], f"nothing was found for '{question}'"
            seconds.append(time.perf_counter() - started)
        connection.close()
        return seconds

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return [
            one
            for some in pool.map(ask_some, (store.questions[n::CONNECTIONS] for n in range(CONNECTIONS)))
            for one in some
        ]


def measure(server: Server, system: RunningSystem, store: LargeStore) -> Spent:
    """Ask every question once and return what one took."""
    before, before_postgres = tree_cpu_s(server.pid), tree_cpu_s(system.postmaster)
    seconds = ask_all(server.port, system.key, store)
    server_s, postgres_s = tree_cpu_s(server.pid) - before, tree_cpu_s(system.postmaster) - before_postgres
    count = len(seconds)
    return Spent(server_s * 1000 / count, postgres_s * 1000 / count, statistics.median(seconds) * 1000)


async def embed_alone(store: LargeStore) -> tuple[Vectors, float]:
    """Return the vector of each question and the CPU milliseconds of one embedding."""
    model = MiniLm(MODELS)
    for question in store.questions[:20]:
        await model.embed([question])
    began = time.process_time()
    vectors = [(await model.embed([question])).vectors[0] for question in store.questions]
    spent = time.process_time() - began
    model.close()
    return np.stack(vectors), spent * 1000 / len(vectors)


def run(chunks: int, rounds: int) -> list[Figure]:
    """Measure and print."""
    with temporary_folder() as folder, running_system(folder) as system:
        store = asyncio.run(make_large_store(system, chunks, QUESTIONS))
        ours = Server(system.port, system.server)
        with peer_server(system, folder / "peer.log") as peer:
            for server in (ours, peer):
                measure(server, system, store)
            found = [(measure(ours, system, store), measure(peer, system, store)) for _ in range(rounds)]
        vectors, embedding_ms = asyncio.run(embed_alone(store))
        urls = (system.cluster.app_url, system.cluster.superuser_url)
        secured, plain = asyncio.run(loop_searches(*urls, store, vectors, limit=RESULTS, turns=LOOP_TURNS))
    print_spent(found, embedding_ms)
    for name, loop in (("loop of ours", secured), ("loop, no row security", plain)):
        print(f"{name:22}{loop.client_ms:8.2f}{loop.postgres_ms:12.2f}{loop.all_ms:9.2f}")
    per_cpu_s = statistics.median(1000 / mine.all_ms for mine, _ in found)
    against = statistics.median(theirs.all_ms / mine.all_ms for mine, theirs in found)
    alone = statistics.median(theirs.server_ms / mine.server_ms for mine, theirs in found)
    return [
        Figure("F.A1", "searches per CPU second against FastAPI+uvicorn+psycopg", against, "×", at_least=2),
        Figure("", "searches per CPU second, server and PostgreSQL", per_cpu_s, "/s", note=f"{chunks} chunks"),
        Figure("", "the server's process alone against the peer's", alone, "×"),
        Figure(
            "F.A2",
            "row security and the scope against the same without",
            secured.all_ms / plain.all_ms,
            "×",
            at_most=1.1,
        ),
    ]


def print_spent(found: Sequence[tuple[Spent, Spent]], embedding_ms: float) -> None:
    """Print the medians of both servers."""
    print(f"{'CPU ms a search':22}{'process':>8}{'PostgreSQL':>12}{'all':>9}{'ms, median':>12}")
    for number, name in enumerate(("Mainstay", "FastAPI+psycopg")):
        of = [pair[number] for pair in found]
        server_ms, postgres_ms, all_ms, latency_ms = (
            statistics.median(getattr(one, pick) for one in of)
            for pick in ("server_ms", "postgres_ms", "all_ms", "latency_ms")
        )
        print(f"{name:22}{server_ms:8.2f}{postgres_ms:12.2f}{all_ms:9.2f}{latency_ms:12.1f}")
    print(f"{'embedding in both':22}{embedding_ms:8.2f}")


def main() -> None:
    """Read the options, run, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--chunks", type=int, default=CHUNKS)
    parser.add_argument("--figures", type=Path, help="write the figures there as JSON")
    options = parser.parse_args()
    if missing := peers_missing():
        sys.exit(missing)
    peers = versions(PEERS_PYTHON, ["fastapi", "uvicorn", "psycopg"])
    print(
        f"{machine()}\npeer: {peers}\n{options.chunks} chunks, {QUESTIONS} questions a round, {options.rounds} rounds\n"
    )
    figures = run(options.chunks, options.rounds)
    print_figures(figures)
    if options.figures:
        save_figures(figures, options.figures)


if __name__ == "__main__":
    main()
