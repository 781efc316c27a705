"""Write `docs/reference/permissions.md` anew, or with `--check` say whether it and the app are as the table declares.

The app is made with every route and without anything behind them: a route that is not in the table, a row without a
route and a stale reference each end with exit code 1.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from mainstay.bootstrap import ServerSystem, server_routers
from mainstay.config import Settings, load_settings
from mainstay.control.access.operations import DECLARED
from mainstay.edge.server.app import create_app
from mainstay.edge.server.operations import served_operations
from mainstay.knowledge.assistants.service import Assistants
from tools.permissions_reference import permissions_reference

TARGET = Path(__file__).parents[1] / "docs" / "reference" / "permissions.md"


@asynccontextmanager
async def _nothing_behind(settings: Settings) -> AsyncGenerator[ServerSystem]:
    nothing = cast("Any", None)
    routers = server_routers(nothing, nothing, Assistants({}), nothing, nothing, nothing, {}, settings)
    yield ServerSystem(database=nothing, routers=routers, checks={}, admission=nothing)


async def _served() -> dict[str, bool]:
    """Return what the app serves; raises AssertionError where the table says otherwise."""
    app = create_app(load_settings(), _nothing_behind)
    async with app.router.lifespan_context(app):
        return served_operations(app)


def main() -> int:
    """Write or check; return the exit code."""
    text = permissions_reference(DECLARED)
    try:
        served = asyncio.run(_served())
    except AssertionError as error:
        print(f"permissions: {error}")
        return 1
    if "--check" in sys.argv[1:]:
        if not TARGET.exists() or TARGET.read_text("utf-8") != text:
            print(f"permissions: {TARGET.name} is stale: run `python -m tools.dump_permissions`")
            return 1
    else:
        TARGET.write_text(text, "utf-8")
    guarded = sum(served.values())
    print(f"permissions: {len(served)} operations served and declared, {guarded} of them guarded, {TARGET.name} fits")
    return 0


if __name__ == "__main__":
    sys.exit(main())
