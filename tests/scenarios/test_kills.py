"""kill -9 in the middle of an ingest: of the worker, of PostgreSQL, of everything. Nothing is lost or doubled."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from mainstay.platform.postgres.embedded import EmbeddedCluster, cluster_folder
from mainstay.platform.processes.account import unprivileged_account
from mainstay.platform.processes.ports import pick_port
from tests.support.folders import passable_folder

pytestmark = [pytest.mark.deep, pytest.mark.timeout(400)]

FILES = 60
DEADLINE_S = 200.0


@dataclass
class Machine:
    """`mainstay` as a person has it: a home, a port, and commands that are typed."""

    home: Path
    port: int

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "mainstay.edge.cli.app", *arguments]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "MAINSTAY_HOME": str(self.home), "MAINSTAY_PORT": str(self.port)}

    def run(self, *arguments: str, status: int | None = 0) -> str:
        done = subprocess.run(
            self.command(*arguments),
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert status is None or done.returncode == status, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def status(self) -> dict[str, Any]:
        return json.loads(self.run("status", "--json", status=None))

    def pid(self, name: str) -> int:
        if name == "supervisor":
            return self.status()["supervisor_pid"]
        return next(one["pid"] for one in self.status()["processes"] if one["name"] == name)


@pytest.fixture
def machine(models_folder: Path) -> Iterator[Machine]:
    with passable_folder() as folder:
        made = Machine(folder / "home", pick_port("127.0.0.1"))
        made.home.mkdir()
        (made.home / "models").symlink_to(models_folder)
        made.run("up", "--detach")
        try:
            yield made
        finally:
            made.run("down", status=None)


def _write_files(folder: Path) -> None:
    folder.mkdir()
    for number in range(FILES):
        paragraphs = [f"# Ledger {number}\n"] + [
            f"Entry {entry} of ledger {number} moves {number * 1000 + entry} crowns to the harbour office.\n"
            for entry in range(60)
        ]
        (folder / f"ledger-{number:03}.md").write_text("\n".join(paragraphs))


def _ingest(machine: Machine, folder: Path) -> subprocess.Popen[str]:
    command = machine.command("ingest", str(folder), "--store", "ledgers", "--json")
    return subprocess.Popen(command, env=machine.environment(), stdout=subprocess.PIPE, text=True)


def _owner_rows(machine: Machine, sql: str) -> list[asyncpg.Record]:
    """Read as the superuser of the machine's own database, past row security, what no key could show."""

    async def read() -> list[asyncpg.Record]:
        cluster = EmbeddedCluster(cluster_folder(machine.home, unprivileged_account()))
        assert cluster.attach()
        connection = await asyncpg.connect(cluster.superuser_url)
        try:
            return await connection.fetch(sql)
        finally:
            await connection.close()

    return asyncio.run(read())


def _wait_for_some(machine: Machine, wanted: int) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline_s:
        rows = _owner_rows(machine, "SELECT count(*) AS ready FROM mainstay.document_versions WHERE state = 'ready'")
        if rows[0]["ready"] >= wanted:
            return
        time.sleep(0.05)
    raise AssertionError(f"not {wanted} documents were ready in time")


@pytest.mark.parametrize("victim", ["worker", "postgres", "everything"])
def test_nothing_is_lost_or_doubled(machine: Machine, tmp_path: Path, victim: str) -> None:
    folder = tmp_path / "ledgers"
    _write_files(folder)
    samples = _owner_rows(machine, "SELECT count(*) AS n FROM mainstay.documents")[0]["n"]
    ingesting = _ingest(machine, folder)
    _wait_for_some(machine, samples + FILES // 6)
    if victim == "worker":
        os.kill(machine.pid("worker"), signal.SIGKILL)
    elif victim == "postgres":
        pid_file = next(machine.home.parent.rglob("postmaster.pid"))
        os.kill(int(pid_file.read_text().splitlines()[0]), signal.SIGKILL)
    else:
        pids = [machine.pid(name) for name in ("supervisor", "server", "worker")]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        ingesting.kill()
        ingesting.communicate()
        machine.run("up", "--detach")
        ingesting = _ingest(machine, folder)
    out, _ = ingesting.communicate(timeout=DEADLINE_S)
    assert ingesting.returncode == 0
    report = json.loads(out)
    assert (report["total"], report["completed"]) == (FILES, FILES)
    doubled = _owner_rows(
        machine,
        """SELECT d.external_id, count(DISTINCT v.id) AS versions, count(c.id) AS chunks, max(v.chunk_count) AS expected
             FROM mainstay.documents d
             JOIN mainstay.document_versions v ON v.document_id = d.id
             LEFT JOIN mainstay.chunks c ON c.version_id = v.id
             JOIN mainstay.stores s ON s.id = d.store_id AND s.name = 'ledgers'
            GROUP BY d.id, d.external_id""",
    )
    assert len(doubled) == FILES
    assert all(row["versions"] == 1 and row["chunks"] == row["expected"] > 0 for row in doubled)
    found = json.loads(machine.run("search", "entry 59 of ledger 59", "--store", "ledgers", "--json"))
    assert any("ledger 59" in one["content"][0]["text"] for one in found["data"])
