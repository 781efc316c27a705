"""Periodic duties of a process: sweepers, counters, heartbeats. Each worker has all of them, so they may overlap."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from mainstay.kernel.errors import Unavailable
from mainstay.platform.jobs import metrics

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Duty:
    """Something to do about every `every_s` seconds, ended when it takes longer than `timeout_s`.

    Several processes do it at the same time, so what it does must be safe to do twice.
    """

    name: str
    every_s: float
    run: Callable[[], Awaitable[None]]
    timeout_s: float = 30.0


async def wait_for(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait until `event` is set, at most `timeout_s`; return whether it is."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True


async def repeat(duty: Duty, stop: asyncio.Event) -> None:
    """Do `duty` now and then again until `stop` is set; a failure is logged and changes nothing."""
    while not stop.is_set():
        outcome = await _attempt(duty)
        metrics.DUTIES.labels(duty.name, outcome).inc()
        # Spread, so that processes started together do not stay in step.
        await wait_for(stop, duty.every_s * random.uniform(0.8, 1.0))  # noqa: S311


async def _attempt(duty: Duty) -> str:
    try:
        async with asyncio.timeout(duty.timeout_s):
            await duty.run()
    except TimeoutError:
        log.warning("duty.timeout", duty=duty.name, timeout_s=duty.timeout_s)
        return "timeout"
    except Unavailable as error:
        log.warning("duty.unavailable", duty=duty.name, reason=error.message)
        return "unavailable"
    except Exception:
        # A duty that fails must not end the others, nor itself for good.
        log.exception("duty.failed", duty=duty.name)
        return "failed"
    return "done"
