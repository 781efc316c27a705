"""A measured system's side of the talk with its bench: one JSON line asks for an action, one answers.

Only the standard library is used: it runs in the peers' environment too.
"""

import asyncio
import inspect
import json
import os
import sys


async def serve(system: object) -> None:
    """Do one action of `system` after the other until the bench closes the pipe.

    An action is a method; what is no coroutine runs in a thread, as it may run an event loop of its own.
    """
    answers = os.fdopen(os.dup(1), "w")
    # Whatever a library prints must not stand between the answers.
    os.dup2(2, 1)
    while line := await asyncio.to_thread(sys.stdin.readline):
        request = json.loads(line)
        action = getattr(system, request.pop("action"))
        answer = (
            await action(**request)
            if inspect.iscoroutinefunction(action)
            else await asyncio.to_thread(action, **request)
        )
        print(json.dumps(answer), file=answers, flush=True)
