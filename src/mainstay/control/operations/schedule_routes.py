"""Schedules over HTTP: `/v1/schedules`."""

from fastapi import APIRouter

from mainstay.control.access.door import Permitted
from mainstay.control.operations import schedules
from mainstay.control.operations.schedule_schemas import ScheduleObject, ScheduleRun
from mainstay.control.operations.schedules import Declared
from mainstay.kernel.ids import encode_id
from mainstay.platform.http import ListObject
from mainstay.platform.postgres import Database


class ScheduleRoutes:
    """The routes of schedules; `declared` are those of the code that is running."""

    def __init__(self, database: Database, declared: Declared) -> None:
        self._database = database
        self._declared = declared

    def router(self) -> APIRouter:
        """Return the routes to be mounted."""
        router = APIRouter(prefix="/v1/schedules", tags=["operations"])
        router.add_api_route("", self.list, methods=["GET"], summary="List schedules")
        router.add_api_route("/{name}/pause", self.pause, methods=["POST"], summary="Pause a schedule")
        router.add_api_route("/{name}/resume", self.resume, methods=["POST"], summary="Resume a schedule")
        router.add_api_route("/{name}/run", self.run, methods=["POST"], summary="Run a schedule's job now")
        return router

    async def list(self, caller: Permitted) -> ListObject[ScheduleObject]:
        """List all schedules of the tenant, by name; there are as many as the code declares."""
        async with self._database.read(caller.scope) as tx:
            found = await schedules.read_all(tx, self._declared)
        return ListObject[ScheduleObject].of([ScheduleObject.of(one) for one in found], has_more=False)

    async def pause(self, caller: Permitted, name: str) -> ScheduleObject:
        """Let a schedule rest; what would be due meanwhile passes, and is not caught up."""
        async with self._database.write(caller.scope) as tx:
            return ScheduleObject.of(await schedules.pause(tx, self._declared, name))

    async def resume(self, caller: Permitted, name: str) -> ScheduleObject:
        """Let a schedule go on with its first due time after now."""
        async with self._database.write(caller.scope) as tx:
            return ScheduleObject.of(await schedules.resume(tx, self._declared, name))

    async def run(self, caller: Permitted, name: str) -> ScheduleRun:
        """Add a job of the schedule now, in the name of the caller; its due times stay as they are."""
        async with self._database.write(caller.scope) as tx:
            job_id = await schedules.run(tx, self._declared, name)
        return ScheduleRun(schedule=name, job_id=encode_id("job_", job_id))
