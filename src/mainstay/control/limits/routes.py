"""Limits over HTTP: what holds for the caller, and the caps of a key or a principal."""

from fastapi import APIRouter

from mainstay.control.access.door import Permitted
from mainstay.control.limits import service
from mainstay.control.limits.admission import Admission
from mainstay.control.limits.models import Limits
from mainstay.control.limits.schemas import CapObject, CapUpdate, LimitsObject
from mainstay.platform.postgres import Database


class LimitRoutes:
    """The routes of limits."""

    def __init__(self, database: Database, admission: Admission) -> None:
        self._database = database
        self._admission = admission

    def router(self) -> APIRouter:
        """Return the routes to be mounted."""
        router = APIRouter(prefix="/v1/limits", tags=["limits"])
        router.add_api_route("", self.read, methods=["GET"], summary="Read what holds for the caller")
        router.add_api_route("/{subject_id}", self.cap, methods=["PUT"], summary="Cap a key or a principal")
        return router

    async def read(self, caller: Permitted) -> LimitsObject:
        """Tell what the caller may do, and what is left of it."""
        standing = await self._admission.read(caller)
        async with self._database.read(caller.scope) as tx:
            plan = await service.plan_of_tenant(tx)
        return LimitsObject.of(caller, plan, standing)

    async def cap(self, caller: Permitted, subject_id: str, body: CapUpdate) -> CapObject:
        """Give a key (`key_…`) or a principal (`usr_…`) limits of its own; it holds everywhere within a second."""
        limits = Limits(body.requests_per_second, body.requests_burst, body.requests_per_hour)
        async with self._database.write(caller.scope) as tx:
            limits = await service.set_cap(tx, subject_id, limits)
        return CapObject.of(subject_id, limits)
