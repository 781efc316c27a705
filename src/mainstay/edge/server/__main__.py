"""The server process: `python -m mainstay.edge.server`."""

import asyncio
import sys

from mainstay.bootstrap import open_product, open_server
from mainstay.config import load_settings
from mainstay.edge.server.app import create_app, limits_of
from mainstay.edge.server.serving import make_server
from mainstay.kernel.errors import MainstayError
from mainstay.platform.postgres.posture import require_safe_role
from mainstay.platform.telemetry import configure_logging

EXIT_UNSAFE = 3


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
        # Once more when the system opens; here so that a product that cannot be is one sentence.
        open_product(settings)
    except MainstayError as error:
        print(error.message, file=sys.stderr)
        return EXIT_UNSAFE
    limits = limits_of(settings)
    app = create_app(settings, open_server, limits)
    server = make_server(app, host=settings.host, port=settings.port, limits=limits)
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
