"""What a worker and the process of a job say to each other: one JSON object a line, each with a `say`."""

import asyncio
from collections.abc import Mapping
from typing import Any, get_args

import orjson
from pydantic import TypeAdapter

from mainstay.platform.jobs.errors import Verdict, storable_code, storable_reason
from mainstay.platform.jobs.models import ClaimedJob

# Room for a payload, which is far below it, and for all that may be added to it.
FRAME_BYTES_MAX = 1024 * 1024
Frame = Mapping[str, Any]

_JOB: TypeAdapter[ClaimedJob] = TypeAdapter(ClaimedJob)
_VERDICTS: Mapping[str, TypeAdapter[Verdict]] = {
    verdict.__name__: TypeAdapter(verdict) for verdict in get_args(Verdict)
}


async def send(writer: asyncio.StreamWriter, say: str, **fields: object) -> None:
    """Send one frame; raises ConnectionError when the other side has gone."""
    writer.write(orjson.dumps({"say": say, **fields}) + b"\n")
    await writer.drain()


async def receive(reader: asyncio.StreamReader) -> Frame:
    """Return the next frame; raises EOFError when the other side has gone, and ValueError for what is no frame."""
    line = await reader.readline()
    if not line.endswith(b"\n"):
        raise EOFError("the other side has ended")
    return orjson.loads(line)


def job_fields(job: ClaimedJob) -> object:
    """Return a job as a frame has it."""
    return _JOB.dump_python(job, mode="json")


def read_job(fields: object) -> ClaimedJob:
    """Return the job of a frame."""
    return _JOB.validate_python(fields)


def verdict_fields(verdict: Verdict) -> Mapping[str, object]:
    """Return a verdict as a frame has it, its words cut to what the database keeps of them."""
    fields = dict(_VERDICTS[type(verdict).__name__].dump_python(verdict, mode="json"))
    for name, cut in (("code", storable_code), ("reason", storable_reason)):
        if name in fields:
            fields[name] = cut(fields[name])
    return {"verdict": type(verdict).__name__, "fields": fields}


def read_verdict(frame: Frame) -> Verdict:
    """Return the verdict of a frame; raises ValueError for what is none."""
    adapter = _VERDICTS.get(frame.get("verdict", ""))
    if adapter is None:
        raise ValueError(f"'{frame.get('verdict')}' is no verdict")
    return adapter.validate_python(frame["fields"])
