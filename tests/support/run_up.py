"""Runs `up` in a process of its own, as the command line does: `run_up.py SETTINGS.json [--detach]`."""

import asyncio
import json
import os
import sys
from pathlib import Path

import asyncpg

from mainstay.edge.up import UpLimits, UpSettings, up
from mainstay.kernel.errors import Invalid

_HERE = Path(__file__).parent


async def _prepare(owner_url: str, app_url: str, home: Path) -> None:
    """Leave one row for each run that got this far."""
    if "STANDIN_PREPARE_FAILS" in os.environ:
        raise Invalid("The database has no extension vector: install pgvector 0.8.")
    if "STANDIN_PREPARE_HANGS" in os.environ:
        await asyncio.Event().wait()
    connection = await asyncpg.connect(owner_url, timeout=10)
    await connection.execute("CREATE TABLE IF NOT EXISTS runs (at timestamptz NOT NULL DEFAULT now())")
    await connection.execute("GRANT SELECT ON runs TO PUBLIC")
    await connection.execute("INSERT INTO runs DEFAULT VALUES")
    await connection.close()


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text())
    settings = UpSettings(
        home=Path(given.pop("home")),
        key_file=Path(given.pop("key_file")),
        system_folder=Path(given.pop("system_folder")),
        limits=UpLimits(**given.pop("limits", {})),
        environment=dict(os.environ),
        detach="--detach" in sys.argv,
        server_command=(sys.executable, str(_HERE / "standin_server.py")),
        worker_command=(sys.executable, str(_HERE / "standin_worker.py")),
        **given,
    )
    sys.exit(up(settings, _prepare))
