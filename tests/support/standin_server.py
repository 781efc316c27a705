"""A stand-in for the server under `mainstay up`: three paths, one process, no framework.

`/readyz` is 200 as soon as it listens, `/environment` names the variables it got, `/runs` counts the rows that the
preparations left in the database, over the address it was given.
"""

import asyncio
import json
import os
import signal

import asyncpg

_WATCHED = ("MAINSTAY_", "DATABASE_URL", "STANDIN_")


async def _count_runs() -> int:
    connection = await asyncpg.connect(os.environ["MAINSTAY_APP_DATABASE_URL"], timeout=5)
    try:
        return await connection.fetchval("SELECT count(*) FROM runs")
    finally:
        await connection.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    path = (await reader.readline()).split(b" ")[1]
    status, body = 200, "{}"
    try:
        if path == b"/runs":
            body = json.dumps(await _count_runs())
        elif path == b"/environment":
            body = json.dumps({name: value for name, value in os.environ.items() if name.startswith(_WATCHED)})
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        status, body = 503, json.dumps(str(error))
    writer.write(f"HTTP/1.0 {status} X\r\nContent-Type: application/json\r\n\r\n{body}".encode())
    await writer.drain()
    writer.close()


async def _serve() -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: None if "STANDIN_DEAF" in os.environ else stopping.set())
    server = await asyncio.start_server(_answer, "127.0.0.1", int(os.environ["MAINSTAY_PORT"]))
    print("listening")
    await stopping.wait()
    server.close()
    print("drained")


if __name__ == "__main__":
    asyncio.run(_serve())
