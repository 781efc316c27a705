"""Groups and who is in them over HTTP: `/v1/groups`."""

from fastapi import APIRouter

from mainstay.control.access.door import Permitted
from mainstay.control.members import service
from mainstay.control.members.schemas import GroupCreate, GroupObject, MemberAdd, PrincipalObject
from mainstay.kernel.ids import decode_id
from mainstay.platform.http import Deleted, Listing, ListObject
from mainstay.platform.postgres import Database


class GroupRoutes:
    """The routes of groups."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def router(self) -> APIRouter:
        """Return the routes to be mounted."""
        router = APIRouter(prefix="/v1/groups", tags=["members"])
        router.add_api_route("", self.create, methods=["POST"], summary="Make a group")
        router.add_api_route("", self.list, methods=["GET"], summary="List groups")
        router.add_api_route("/{group_id}", self.read, methods=["GET"], summary="Read a group")
        router.add_api_route("/{group_id}", self.delete, methods=["DELETE"], summary="Delete a group")
        router.add_api_route("/{group_id}/members", self.add, methods=["POST"], summary="Add a member")
        router.add_api_route("/{group_id}/members", self.members, methods=["GET"], summary="List members")
        router.add_api_route(
            "/{group_id}/members/{principal_id}", self.remove, methods=["DELETE"], summary="Remove a member"
        )
        return router

    async def create(self, caller: Permitted, body: GroupCreate) -> GroupObject:
        """Make a group."""
        async with self._database.write(caller.scope) as tx:
            return GroupObject.of(await service.create_group(tx, body.name))

    async def list(self, caller: Permitted, listing: Listing) -> ListObject[GroupObject]:
        """List groups."""
        async with self._database.read(caller.scope) as tx:
            page = await service.page_groups(tx, listing.page("grp_"))
        return ListObject[GroupObject].of_page(page, GroupObject.of)

    async def read(self, caller: Permitted, group_id: str) -> GroupObject:
        """Read one group."""
        async with self._database.read(caller.scope) as tx:
            return GroupObject.of(await service.require_group(tx, decode_id("grp_", group_id)))

    async def delete(self, caller: Permitted, group_id: str) -> Deleted:
        """Delete a group; what was shared with it alone is seen by its members no more."""
        async with self._database.write(caller.scope) as tx:
            await service.delete_group(tx, decode_id("grp_", group_id))
        return Deleted(id=group_id, object="group.deleted")

    async def add(self, caller: Permitted, group_id: str, body: MemberAdd) -> GroupObject:
        """Put a principal into a group; it sees what is shared with the group from the next request on."""
        group, principal = decode_id("grp_", group_id), decode_id("usr_", body.principal_id)
        async with self._database.write(caller.scope) as tx:
            await service.add_member(tx, group, principal)
            return GroupObject.of(await service.require_group(tx, group))

    async def members(self, caller: Permitted, group_id: str, listing: Listing) -> ListObject[PrincipalObject]:
        """List the principals of a group."""
        request = listing.page("usr_")
        async with self._database.read(caller.scope) as tx:
            page = await service.page_members(tx, decode_id("grp_", group_id), request)
        return ListObject[PrincipalObject].of_page(page, PrincipalObject.of)

    async def remove(self, caller: Permitted, group_id: str, principal_id: str) -> Deleted:
        """Take a principal out of a group."""
        async with self._database.write(caller.scope) as tx:
            await service.remove_member(tx, decode_id("grp_", group_id), decode_id("usr_", principal_id))
        return Deleted(id=principal_id, object="group.member.deleted")
