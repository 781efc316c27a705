"""The pool of child processes: what a file does to its child is that file's affair alone."""

import asyncio
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mainstay.kernel.errors import Unavailable
from mainstay.knowledge.documents.parsed import ParsedDocument, ParseRejected
from mainstay.knowledge.documents.parsers.limits import MIB, ParseLimits
from mainstay.knowledge.documents.parsing import ParserLimits, ParserPool
from mainstay.knowledge.documents.parsing_child import ChildLimits
from mainstay.platform.postgres import PortCalledInTransaction
from mainstay.platform.postgres.transactions import mark_transaction
from tests.support.documents import make_pdf

DEADLINE_S = 30.0
# Takes a child seconds: time to find its process and do something to it.
LONG_FILE = b"<p>word <b>word</b>" * 2_000_000
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  (processes set no events)
            await asyncio.sleep(0.005)


async def rejected(pool: ParserPool, data: bytes, filename: str) -> ParseRejected:
    with pytest.raises(ParseRejected) as caught:
        await pool.parse(data, filename=filename)
    return caught.value


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_pool_returns_documents_and_reasons() -> None:
    async with ParserPool() as pool:
        document = await pool.parse(make_pdf([["One"], ["Two"]]), filename="a.pdf")
        assert document.text.startswith("One")
        assert [page.number for page in document.pages] == [1, 2]
        assert (await rejected(pool, b"", "a.pdf")).code == "empty"
        assert (await rejected(pool, b"PK\x03\x04oops", "a.docx")).code == "broken"
        assert (await rejected(pool, bytes(60 * MIB), "a.bin")).code == "oversized"
        assert (await pool.parse("# Über 😀\n\nx".encode(), filename="a.md")).headings[0].title == "Über 😀"


async def test_a_fresh_child_that_dies_rejects_its_file_and_no_other() -> None:
    async with ParserPool(children_max=1) as pool:
        doomed = asyncio.create_task(rejected(pool, LONG_FILE, "killer.html"))
        await until(lambda: len(pool.child_pids) == 1)
        waiting = asyncio.create_task(pool.parse(b"fine", filename="after.txt"))
        os.kill(pool.child_pids[0], signal.SIGKILL)
        death = await doomed
        assert death.code == "broken"
        assert "SIGKILL" in death.reason
        assert (await waiting).text == "fine"


async def test_a_warm_child_that_dies_is_replaced_and_its_file_tried_again() -> None:
    async with ParserPool(children_max=1) as pool:
        await pool.parse(b"warm up", filename="a.txt")
        (pid,) = pool.child_pids
        # Stopped, it cannot answer before it is killed.
        os.kill(pid, signal.SIGSTOP)
        second = asyncio.create_task(pool.parse(b"second", filename="b.txt"))
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        assert (await second).text == "second"
        assert pid not in pool.child_pids


async def test_a_child_that_stalls_is_ended_at_its_wall_time() -> None:
    limits = ParserLimits(child=ChildLimits(wall_s=0.5))
    async with ParserPool(limits, children_max=1) as pool:
        await pool.parse(b"warm up", filename="a.txt")
        os.kill(pool.child_pids[0], signal.SIGSTOP)
        stalled = await rejected(pool, b"stall", "stall.txt")
        assert stalled.code == "timeout"
        assert (await pool.parse(b"after", filename="b.txt")).text == "after"


async def test_a_child_that_loops_is_ended_at_its_processor_time() -> None:
    async with ParserPool(ParserLimits(child=ChildLimits(cpu_s=1)), children_max=1) as pool:
        looping = await rejected(pool, LONG_FILE, "loop.html")
        assert looping.code == "timeout"
        assert "processor time" in looping.reason


@linux_only
async def test_a_file_that_needs_too_much_memory_is_oversized() -> None:
    async with ParserPool(ParserLimits(child=ChildLimits(address_space_bytes=130 * MIB)), children_max=1) as pool:
        assert (await rejected(pool, b"word " * 9_000_000, "fat.txt")).code == "oversized"
        assert (await pool.parse(b"after", filename="b.txt")).text == "after"


async def test_many_files_with_killers_between_them_all_end() -> None:
    async with ParserPool(children_max=2) as pool:

        async def outcome(number: int) -> str:
            data = b"" if number % 7 == 0 else f"file {number}".encode()
            try:
                return (await pool.parse(data, filename=f"{number}.txt")).text
            except ParseRejected as rejection:
                return rejection.code

        tasks = [asyncio.create_task(outcome(number)) for number in range(60)]
        for _ in range(3):
            await until(lambda: bool(pool.child_pids))
            os.kill(pool.child_pids[0], signal.SIGKILL)
            await asyncio.sleep(0.01)
        outcomes = await asyncio.gather(*tasks)
        # A kill may hit a child in its first file; whatever it hit, no file is without an outcome.
        right = sum(text in (f"file {n}", "empty") for n, text in enumerate(outcomes))
        assert right >= 57
        assert set(outcomes) <= {*(f"file {n}" for n in range(60)), "empty", "broken"}
        assert len(pool.child_pids) <= 2


async def test_a_cancelled_parse_ends_its_child_and_frees_its_place() -> None:
    async with ParserPool(children_max=1) as pool:
        task = asyncio.create_task(pool.parse(LONG_FILE, filename="long.html"))
        await until(lambda: len(pool.child_pids) == 1)
        (pid,) = pool.child_pids
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not is_running(pid)
        assert (await pool.parse(b"next", filename="a.txt")).text == "next"


async def test_idle_children_leave_and_worn_ones_are_replaced() -> None:
    async with ParserPool(ParserLimits(idle_s=0.2, files_per_child_max=2), children_max=1) as pool:
        pids: list[int] = []
        for number in range(4):
            await pool.parse(b"x1", filename=f"{number}.txt")
            pids.extend(pool.child_pids)
        # The second file wears a child out, so that after it none is left.
        assert len(pids) == 2
        await pool.parse(b"x1", filename="last.txt")
        (pid,) = pool.child_pids
        await until(lambda: not pool.child_pids)
        assert not is_running(pid)


@linux_only
async def test_a_child_has_no_secret_no_socket_and_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAINSTAY_MODEL_KEY", "sk-secret-canary")
    with socket.create_server(("127.0.0.1", 0)):
        async with ParserPool(children_max=1) as pool:
            await pool.parse(b"x1", filename="a.txt")
            process = Path("/proc") / str(pool.child_pids[0])
            environment = (process / "environ").read_bytes()
            targets = [str(entry.readlink()) for entry in (process / "fd").iterdir()]
            folder = (process / "cwd").readlink()
            assert b"canary" not in environment
            assert b"DATABASE_URL" not in environment
            assert not [target for target in targets if "socket" in target]
            assert folder.stat().st_mode & 0o077 == 0
        assert not folder.exists()


@pytest.mark.skipif(sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"), reason="needs seccomp")
async def test_a_child_cannot_reach_the_network_or_start_programs() -> None:
    async with ParserPool(children_max=1) as pool:
        await pool.parse(b"x1", filename="a.txt")
        assert pool.network_denied is True
    with socket.create_server(("127.0.0.1", 0)) as server:
        script = (
            "import socket, subprocess, sys\n"
            "from mainstay.knowledge.documents.parsers.confinement import Confinement, confine\n"
            "assert confine(Confinement(2**31, 60, 2**20))\n"
            "for attempt in (lambda: socket.create_connection(('127.0.0.1', int(sys.argv[1]))),\n"
            "                lambda: socket.socket(socket.AF_UNIX), lambda: subprocess.run([sys.executable])):\n"
            "    try:\n"
            "        attempt()\n"
            "    except PermissionError:\n"
            "        print('refused')\n"
        )
        port = str(server.getsockname()[1])
        command = [sys.executable, "-c", script, port]
        ran = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=True)
        assert ran.stdout.split() == ["refused"] * 3


def test_the_child_imports_neither_database_nor_web_framework() -> None:
    command = [sys.executable, "-X", "importtime", "-c", "import mainstay.knowledge.documents.parsers.child"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    modules = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert "mainstay.knowledge.documents.parsers.parse" in modules
    heavy = ("asyncpg", "fastapi", "starlette", "pydantic", "numpy", "onnxruntime", "kreuzberg", "pypdfium2", "asyncio")
    assert not [name for name in modules if name.split(".")[0] in heavy]
    assert not [name for name in modules if name.startswith(("mainstay.platform", "mainstay.control"))]


async def test_parsing_in_a_transaction_is_refused() -> None:
    async with ParserPool() as pool:
        mark_transaction("read")
        try:
            with pytest.raises(PortCalledInTransaction, match="parse"):
                await pool.parse(b"x", filename="a.txt")
        finally:
            mark_transaction(None)


async def test_a_warm_child_answers_in_milliseconds() -> None:
    async with ParserPool(children_max=1) as pool:
        await pool.parse(b"warm up", filename="a.txt")
        started = time.perf_counter()
        for number in range(50):
            document: ParsedDocument = await pool.parse(b"some words", filename=f"{number}.txt")
            assert document.kind == "text"
        # A child per file would take a tenth of a second for its start alone.
        assert (time.perf_counter() - started) / 50 < 0.05


async def test_limits_of_a_document_hold_through_the_pool() -> None:
    limits = ParserLimits(document=ParseLimits(text_bytes_max=100))
    async with ParserPool(limits, children_max=1) as pool:
        assert (await rejected(pool, b"word " * 100, "a.txt")).code == "oversized"


async def test_closing_the_pool_blames_no_file() -> None:
    pool = ParserPool(children_max=1)
    async with pool:
        task = asyncio.create_task(pool.parse(LONG_FILE, filename="long.html"))
        await until(lambda: len(pool.child_pids) == 1)
        (pid,) = pool.child_pids
    with pytest.raises(Unavailable, match="shut down"):
        await task
    assert not is_running(pid)


async def test_a_child_that_cannot_start_blames_no_file() -> None:
    async with ParserPool(ParserLimits(child=ChildLimits(start_s=0.001)), children_max=1) as pool:
        with pytest.raises(Unavailable, match="did not start"):
            await pool.parse(b"words", filename="a.txt")


async def test_a_parse_cancelled_while_its_child_starts_leaves_nothing_behind() -> None:
    async with ParserPool(children_max=1) as pool:
        task = asyncio.create_task(pool.parse(b"words", filename="a.txt"))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pool.child_pids == ()
        assert (await pool.parse(b"words", filename="a.txt")).text == "words"
