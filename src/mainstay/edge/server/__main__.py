"""The server process: `python -m mainstay.edge.server`."""

import asyncio
import sys

import uvicorn

from mainstay.bootstrap import open_server
from mainstay.config import load_settings
from mainstay.edge.server.app import create_app
from mainstay.kernel.errors import MainstayError
from mainstay.platform.postgres.posture import require_safe_role
from mainstay.platform.telemetry import configure_logging

EXIT_UNSAFE = 3
GRACEFUL_SHUTDOWN_S = 20


def main() -> int:
    """Serve until SIGTERM; return an exit code other than 0 with one sentence where that cannot be."""
    try:
        settings = load_settings()
        configure_logging("server", level=settings.log_level)
        url = settings.serving_url
        if url is None:
            print("DATABASE_URL is not set: start everything with `mainstay up`.", file=sys.stderr)
            return EXIT_UNSAFE
        asyncio.run(require_safe_role(url))
    except MainstayError as error:
        print(error.message, file=sys.stderr)
        return EXIT_UNSAFE
    config = uvicorn.Config(
        create_app(settings, open_server),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
    )
    server = uvicorn.Server(config)
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
