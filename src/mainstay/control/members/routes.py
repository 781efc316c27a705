"""Principals and their keys over HTTP: `/v1/principals` and `/v1/keys`."""

from fastapi import APIRouter

from mainstay.control.access.door import Permitted
from mainstay.control.members import service
from mainstay.control.members.schemas import (
    KeyCreate,
    KeyObject,
    NewKeyObject,
    PrincipalChange,
    PrincipalCreate,
    PrincipalObject,
)
from mainstay.kernel.ids import decode_id
from mainstay.platform.http import Deleted, Listing, ListObject
from mainstay.platform.postgres import Database


class MemberRoutes:
    """The routes of principals and keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def router(self) -> APIRouter:
        """Return the routes to be mounted."""
        router = APIRouter(prefix="/v1", tags=["members"])
        router.add_api_route("/principals", self.create, methods=["POST"], summary="Make a principal")
        router.add_api_route("/principals", self.list, methods=["GET"], summary="List principals")
        router.add_api_route("/principals/{principal_id}", self.read, methods=["GET"], summary="Read a principal")
        router.add_api_route("/principals/{principal_id}", self.change, methods=["POST"], summary="Change a principal")
        router.add_api_route("/keys", self.create_key, methods=["POST"], summary="Make a key")
        router.add_api_route("/keys", self.list_keys, methods=["GET"], summary="List keys")
        router.add_api_route("/keys/{key_id}", self.revoke_key, methods=["DELETE"], summary="Revoke a key")
        return router

    async def create(self, caller: Permitted, body: PrincipalCreate) -> PrincipalObject:
        """Make a person or a service account, with a role that reaches no further than the caller's."""
        async with self._database.write(caller.scope) as tx:
            made = await service.create_principal(tx, caller, name=body.name, role=body.role, kind=body.kind)
        return PrincipalObject.of(made)

    async def list(self, caller: Permitted, listing: Listing) -> ListObject[PrincipalObject]:
        """List principals."""
        async with self._database.read(caller.scope) as tx:
            page = await service.page_principals(tx, listing.page("usr_"))
        return ListObject[PrincipalObject].of_page(page, PrincipalObject.of)

    async def read(self, caller: Permitted, principal_id: str) -> PrincipalObject:
        """Read one principal."""
        async with self._database.read(caller.scope) as tx:
            return PrincipalObject.of(await service.require_principal(tx, decode_id("usr_", principal_id)))

    async def change(self, caller: Permitted, principal_id: str, body: PrincipalChange) -> PrincipalObject:
        """Change a role, disable a principal or enable it; its keys follow at once."""
        async with self._database.write(caller.scope) as tx:
            changed = await service.change_principal(
                tx, caller, decode_id("usr_", principal_id), role=body.role, disabled=body.disabled
            )
        return PrincipalObject.of(changed)

    async def create_key(self, caller: Permitted, body: KeyCreate) -> NewKeyObject:
        """Make a key, for the caller or another principal; its secret is in this response and nowhere else."""
        holder_id = decode_id("usr_", body.principal_id) if body.principal_id else None
        async with self._database.write(caller.scope) as tx:
            made = await service.create_key(
                tx,
                caller,
                principal_id=holder_id,
                name=body.name,
                scopes=body.scopes,
                expires_in_days=body.expires_in_days,
            )
        return NewKeyObject.of(made)

    async def list_keys(
        self, caller: Permitted, listing: Listing, principal_id: str | None = None
    ) -> ListObject[KeyObject]:
        """List keys without their secrets, of one principal where asked."""
        request = listing.page("key_")
        holder_id = decode_id("usr_", principal_id) if principal_id else None
        async with self._database.read(caller.scope) as tx:
            page = await service.page_keys(tx, request, principal_id=holder_id)
        return ListObject[KeyObject].of_page(page, KeyObject.of)

    async def revoke_key(self, caller: Permitted, key_id: str) -> Deleted:
        """End a key; the next request with it is refused."""
        async with self._database.write(caller.scope) as tx:
            await service.revoke_key(tx, caller, decode_id("key_", key_id))
        return Deleted(id=key_id, object="api_key.revoked")
