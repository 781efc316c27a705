"""The audit over HTTP. Reading it is audited too."""

from typing import Annotated

from fastapi import APIRouter, Query

from mainstay.control.access.door import Permitted
from mainstay.control.audit import service
from mainstay.control.audit.schemas import AuditObject
from mainstay.platform.http import Listing, ListObject
from mainstay.platform.postgres import Database


class AuditRoutes:
    """The routes of the audit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def router(self) -> APIRouter:
        """Return the routes to be mounted."""
        router = APIRouter(prefix="/v1/audit", tags=["audit"])
        router.add_api_route("", self.list, methods=["GET"], summary="List audit rows")
        return router

    async def list(
        self,
        caller: Permitted,
        listing: Listing,
        action: Annotated[str | None, Query(max_length=64)] = None,
        request_id: Annotated[str | None, Query(max_length=64)] = None,
    ) -> ListObject[AuditObject]:
        """List rows, of one action or one request where asked."""
        request = listing.page("aud_")
        async with self._database.write(caller.scope) as tx:
            page = await service.page(tx, request, action=action, request_id=request_id)
            await service.record(tx, "audit.read", facts={"rows": len(page.rows)})
        return ListObject[AuditObject].of_page(page, AuditObject.of)
