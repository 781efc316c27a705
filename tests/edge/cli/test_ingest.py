"""`mainstay ingest` uploads what changed and nothing else."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.support.system import Member, TestSystem

DEADLINE_S = 60.0


async def ingest(system: TestSystem, member: Member, folder: Path) -> dict[str, Any]:
    environment = {**os.environ, "MAINSTAY_URL": system.address, "MAINSTAY_API_KEY": member.key}
    command = (sys.executable, "-m", "mainstay.edge.cli.app", "ingest", str(folder), "--store", "ferries", "--json")
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(DEADLINE_S):
        out, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(out)


async def uploads(member: Member) -> int:
    return len((await member.call("GET", "/v1/audit?action=file.upload&limit=100"))["data"])


async def test_only_what_changed_is_uploaded(system: TestSystem, tmp_path: Path) -> None:
    member = await system.member()
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text(f"The ferry {name} sails at noon.")
    (tmp_path / "empty.txt").touch()
    first = await ingest(system, member, tmp_path)
    assert (first["total"], first["completed"], first["failed"], first["unchanged"]) == (3, 2, 1, 0)
    assert await uploads(member) == 2
    again = await ingest(system, member, tmp_path)
    assert (again["total"], again["completed"], again["failed"], again["unchanged"]) == (3, 2, 1, 2)
    assert {one["path"]: one["document_id"] for one in again["files"]} == {
        one["path"]: one["document_id"] for one in first["files"]
    }
    assert await uploads(member) == 2
    (tmp_path / "b.txt").write_text("The ferry b sails at one.")
    changed = await ingest(system, member, tmp_path)
    assert (changed["completed"], changed["unchanged"]) == (2, 1)
    assert {one["path"]: one["version"] for one in changed["files"]} == {"a.txt": 1, "b.txt": 2, "empty.txt": None}
    assert await uploads(member) == 3
