"""The HTTP application: every slice's routes, one shape of errors, probes, and the page."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.responses import FileResponse, Response

from mainstay.bootstrap import ServerSystem
from mainstay.config import Settings
from mainstay.control.access.operations import DECLARED, Table
from mainstay.control.audit.door import operator_audited
from mainstay.edge.server.authentication import RequireKey
from mainstay.edge.server.bodies import ProvedBodies
from mainstay.edge.server.errors import install_error_handlers
from mainstay.edge.server.health import HealthRoutes
from mainstay.edge.server.limits import EdgeLimits
from mainstay.edge.server.middleware import RequestContext
from mainstay.edge.server.openapi import install_openapi
from mainstay.edge.server.operations import GuardedOperations, require_declared
from mainstay.edge.server.rate_limits import RequestLimits

PAGE = Path(__file__).parent / "page"
Opener = Callable[[Settings], AbstractAsyncContextManager[ServerSystem]]


def create_app(
    settings: Settings, open_system: Opener, limits: EdgeLimits | None = None, declared: Table = DECLARED
) -> FastAPI:
    """Return the application; its objects are opened when it starts and closed when it stops.

    It does not start where what it serves is not what `declared` has.
    """
    limits = limits or limits_of(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with open_system(settings) as system:
            app.state.database = system.database
            app.state.admission = system.admission
            for router in system.routers:
                app.include_router(router, dependencies=[Depends(operator_audited)])
            app.include_router(HealthRoutes(system.checks, system.measures).router())
            app.include_router(_page_router())
            app.mount("/page", _PageFiles(directory=PAGE), name="page")
            require_declared(app, declared)
            app.state.operations = GuardedOperations(app)
            yield

    app = FastAPI(
        title="Mainstay",
        summary="Cited, metered, audited answers from your documents.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        # A path with a slash too many is no other path.
        redirect_slashes=False,
    )
    app.state.declared = declared
    install_error_handlers(app)
    install_openapi(app)
    # The last one added is the first one passed: key and permission are proved before a body is read.
    app.add_middleware(ProvedBodies, limits=limits)
    app.add_middleware(RequireKey)
    app.add_middleware(RequestLimits)
    app.add_middleware(RequestContext, limits=limits)
    return app


def limits_of(settings: Settings) -> EdgeLimits:
    """Return the limits with what the environment says."""
    return EdgeLimits(json_bytes_max=settings.request_bytes_max, upload_bytes_max=settings.upload_bytes_max)


class _PageFiles(StaticFiles):
    """The page's files, each asked for anew, so that an upgrade never mixes old modules with new ones."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "no-cache"
        return response


def _page_router() -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html", headers={"cache-control": "no-cache"})

    return router
