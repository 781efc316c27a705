"""Whether this process lives, whether it can serve, and its metrics."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal

import structlog
from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from mainstay.kernel.errors import MainstayError
from mainstay.platform.http import Exact, answers

log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[None]]
Measure = Callable[[], Awaitable[None]]

MEASURE_EVERY_S = 5.0
MEASURE_TIMEOUT_S = 2.0


class Readiness(Exact):
    """Whether traffic may come, and by name what it still waits for."""

    status: Literal["ready", "not ready"]
    missing: Mapping[str, str] = {}


class HealthRoutes:
    """The probes. `checks` are what must hold before traffic may come, by name.

    `measures` ask the database for what `/metrics` tells of it, not more often than every MEASURE_EVERY_S.
    """

    def __init__(self, checks: Mapping[str, Check], measures: Sequence[Measure] = ()) -> None:
        self._checks = checks
        self._measures = measures
        self._measured_at = float("-inf")

    def router(self) -> APIRouter:
        """Return the routes to be mounted."""
        router = APIRouter(tags=["health"])
        router.add_api_route("/healthz", self.alive, methods=["GET"], summary="Liveness")
        router.add_api_route(
            "/readyz",
            self.ready,
            methods=["GET"],
            summary="Readiness",
            response_model=None,
            responses={**answers(Readiness), 503: {"model": Readiness, "description": "What is missing."}},
        )
        router.add_api_route(
            "/metrics", self.metrics, methods=["GET"], summary="Metrics", response_class=PlainTextResponse
        )
        return router

    async def alive(self) -> dict[str, str]:
        """Answer while the process runs; nothing else is asked."""
        return {"status": "alive"}

    async def ready(self) -> Response:
        """Answer 200 once the embedding model is loaded and the database answers, else 503 with what is missing."""
        missing: dict[str, str] = {}
        for name, check in self._checks.items():
            try:
                await check()
            except MainstayError as error:
                missing[name] = error.message
        status = {"status": "ready"} if not missing else {"status": "not ready", "missing": missing}
        return JSONResponse(status, status_code=503 if missing else 200)

    async def metrics(self) -> Response:
        """Return the metrics of this process, and of the queues in the database, in Prometheus' text format."""
        # Asked without a key, so the database is not asked each time.
        if time.monotonic() - self._measured_at >= MEASURE_EVERY_S:
            self._measured_at = time.monotonic()
            for measure in self._measures:
                await _measured(measure)
        return PlainTextResponse(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _measured(measure: Measure) -> None:
    try:
        async with asyncio.timeout(MEASURE_TIMEOUT_S):
            await measure()
    except (MainstayError, TimeoutError) as error:
        # What the process itself counts is told all the same.
        log.warning("metrics.not_measured", reason=str(error) or type(error).__name__)
