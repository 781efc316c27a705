"""Usage over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query

from mainstay.control.access.door import Permitted
from mainstay.control.metering import service
from mainstay.control.metering.models import Grouping
from mainstay.control.metering.schemas import UsageObject
from mainstay.platform.http import Listing
from mainstay.platform.postgres import Database


class UsageRoutes:
    """The routes of usage."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def router(self) -> APIRouter:
        """Return the routes to be mounted."""
        router = APIRouter(prefix="/v1/usage", tags=["usage"])
        router.add_api_route("", self.read, methods=["GET"], summary="Read usage")
        return router

    async def read(
        self,
        caller: Permitted,
        listing: Listing,
        by: Grouping | None = None,
        days: int = service.DAYS_DEFAULT,
        request_id: Annotated[str | None, Query(max_length=64)] = None,
    ) -> UsageObject:
        """Add up the calls the caller may see, by feature, model or conversation, and list them."""
        request = listing.page("call_")
        async with self._database.read(caller.scope) as tx:
            usage = await service.summarise(tx, grouping=by, days=days)
            page = await service.page(tx, request, request_id=request_id)
        return UsageObject.of(usage, page, days=days, by=by)
