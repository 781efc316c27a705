"""asyncpg against psycopg 3 in pipeline mode: one read transaction of a tenant, with 0 and 1 ms of added round trip.

    python bench/driver.py postgresql://…

Prints, for each driver and delay, the median time and the CPU time of this process for a transaction (BEGIN with the
scope, one SELECT, COMMIT), and the CPU time of importing the driver. Both drivers are needed: run it in the peers'
environment.
"""

import asyncio
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psycopg

ROUNDS = 300
SCOPE = "SELECT set_config('bench.tenant_id', '01a1fdb3-0000-7000-8000-000000000000', true)"
SELECT = "SELECT relname, relkind, reltuples FROM pg_class WHERE relname = {} LIMIT 10"
Transaction = Callable[[], Awaitable[object]]


async def delayed(url: str, delay_s: float) -> tuple[str, asyncio.Server]:
    """Return the URL of a relay that holds every chunk back for half the round trip in each direction."""
    parts = urlsplit(url)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while chunk := await reader.read(65536):
            loop.call_later(delay_s / 2, writer.write, chunk) if delay_s else writer.write(chunk)
        loop.call_later(delay_s + 0.1, writer.close)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, ahead = await asyncio.open_connection(parts.hostname, parts.port)
        # The end of the benchmark cancels what still relays.
        with suppress(asyncio.CancelledError):
            await asyncio.gather(relay(reader, ahead), relay(behind, writer), return_exceptions=True)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    login = f"{parts.username}:{parts.password}@" if parts.password else f"{parts.username}@"
    return urlunsplit(parts._replace(netloc=f"{login}127.0.0.1:{port}")), server


async def with_asyncpg(url: str) -> Transaction:
    """BEGIN and the scope travel together, then the statement, then COMMIT: three round trips."""
    connection = await asyncpg.connect(url)

    async def transaction() -> object:
        await connection.execute(f"BEGIN READ ONLY; {SCOPE}")
        rows = await connection.fetch(SELECT.format("$1"), "pg_class")
        await connection.execute("COMMIT")
        return rows

    return transaction


async def with_psycopg(url: str) -> Transaction:
    """All four statements in one pipeline: one round trip."""
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True)

    async def transaction() -> object:
        async with connection.pipeline(), connection.cursor(binary=True) as cursor:
            await connection.execute("BEGIN READ ONLY")
            await connection.execute(SCOPE)
            await cursor.execute(SELECT.format("%s"), ["pg_class"], prepare=True)
            await connection.execute("COMMIT")
            return await cursor.fetchall()

    return transaction


async def measure(name: str, delay_s: float, open_: Callable[[str], Awaitable[Transaction]], url: str) -> None:
    """Print the median time and the CPU time of one transaction."""
    relayed, server = await delayed(url, delay_s)
    transaction = await open_(relayed if delay_s else url)
    for _ in range(30):
        assert await transaction()
    times: list[float] = []
    before = time.process_time()
    for _ in range(ROUNDS):
        started = time.perf_counter()
        await transaction()
        times.append(time.perf_counter() - started)
    cpu_us = (time.process_time() - before) / ROUNDS * 1e6
    server.close()
    # With a delay the relay's own work is in the CPU time, so it is shown for the direct connection alone.
    cpu = f"{cpu_us:8.0f} µs CPU" if not delay_s else ""
    print(f"{name:18} +{delay_s * 1000:.0f} ms   p50 {statistics.median(times) * 1000:6.2f} ms {cpu}")


def import_cpu_ms(module: str) -> float:
    """Return the CPU time of importing `module` in a fresh interpreter."""
    times: list[float] = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(times) * 1000


async def main(url: str) -> None:
    """Measure both drivers, interleaved."""
    print(f"asyncpg {asyncpg.__version__}, psycopg {psycopg.__version__} ({psycopg.pq.__impl__})")
    for delay_s in (0.0, 0.001):
        for name, open_ in (("asyncpg", with_asyncpg), ("psycopg pipeline", with_psycopg)):
            await measure(name, delay_s, open_, url)
    for module in ("asyncpg", "psycopg"):
        print(f"import {module:11} {import_cpu_ms(module):6.0f} ms CPU")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
