"""The server as a process runs it: the application behind the limited protocol."""

from functools import partial
from typing import Any, cast

import uvicorn
from fastapi import FastAPI

from mainstay.edge.server.limits import EdgeLimits
from mainstay.edge.server.protocol import LimitedProtocol, LimitedServer

GRACEFUL_SHUTDOWN_S = 20


def make_server(app: FastAPI, *, host: str, port: int, limits: EdgeLimits) -> LimitedServer:
    """Return a server that is ready to run; with the port 0 the system chooses one."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=cast("Any", partial(LimitedProtocol, limits)),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=cast("int", limits.keep_alive_idle_s),
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
    )
    return LimitedServer(config)
