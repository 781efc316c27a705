"""Blocking calls on threads of their own, with a deadline."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Result = TypeVar("Result")


async def call_in_thread(call: Callable[[], Result], *, name: str, deadline_s: float) -> Result:
    """Return what `call` returns, or raise what it raises; raises TimeoutError after `deadline_s`.

    The thread is a daemon, because a process that stops must not wait for a receive that waits for messages; the
    threads of executors are joined at the end of the interpreter. Whoever calls bounds how many there are, and the
    call has timeouts of its own, so that a thread that is not waited for any more ends as well.
    """
    loop = asyncio.get_running_loop()
    settled: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result | None, error: BaseException | None) -> None:
        if settled.done():
            return
        if error is not None:
            settled.set_exception(error)
        else:
            settled.set_result(result)  # pyright: ignore[reportArgumentType]  (None is a Result where there is no error)

    def run() -> None:
        result, failure = None, None
        try:
            result = call()
        except Exception as error:  # noqa: BLE001  (raised again in the loop)
            failure = error
        # The loop may have ended without us.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, name=name, daemon=True).start()
    async with asyncio.timeout(deadline_s):
        return await settled
