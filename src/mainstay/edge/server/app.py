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
from mainstay.edge.server.errors import install_error_handlers
from mainstay.edge.server.health import HealthRoutes
from mainstay.edge.server.middleware import RequestContext
from mainstay.edge.server.operations import require_declared

PAGE = Path(__file__).parent / "page"
Opener = Callable[[Settings], AbstractAsyncContextManager[ServerSystem]]


def create_app(settings: Settings, open_system: Opener, declared: Table = DECLARED) -> FastAPI:
    """Return the application; its objects are opened when it starts and closed when it stops.

    It does not start where what it serves is not what `declared` has.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with open_system(settings) as system:
            app.state.database = system.database
            for router in system.routers:
                app.include_router(router, dependencies=[Depends(operator_audited)])
            app.include_router(HealthRoutes(system.checks).router())
            app.include_router(_page_router())
            app.mount("/page", _PageFiles(directory=PAGE), name="page")
            require_declared(app, declared)
            yield

    app = FastAPI(
        title="Mainstay",
        summary="Cited, metered, audited answers from your documents.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    install_error_handlers(app)
    app.add_middleware(
        RequestContext, body_bytes_max=settings.request_bytes_max, upload_bytes_max=settings.upload_bytes_max
    )
    return app


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
