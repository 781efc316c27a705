"""The rules of who sees a store and what is in it; row security enforces them in every statement.

A store is seen by the tenant, or by its owner and its audience. A restricted document is seen by its own audience
alone, as far as that sees the store. Files, versions, chunks and citations follow their documents.
"""

from dataclasses import replace
from uuid import UUID

from mainstay.control.access.models import Caller, Visibility
from mainstay.control.audit import service as audit
from mainstay.control.members import service as members
from mainstay.kernel.errors import Invalid
from mainstay.kernel.ids import OuterId, encode_id
from mainstay.knowledge.documents import service, share_store, versions
from mainstay.knowledge.documents.models import Audience
from mainstay.platform.postgres import ReadTx, WriteTx

AUDIENCE_MAX = 100


async def store_audience(tx: ReadTx, store_id: UUID) -> tuple[Visibility, Audience]:
    """Return who sees a visible store: all of the tenant or not, and with whom it is shared."""
    store = await service.require_store(tx, store_id)
    return store.visibility, await share_store.list_shares(tx, store_id, None)


async def share_store_with(
    tx: WriteTx, caller: Caller, store_id: UUID, *, visibility: Visibility, audience: Audience
) -> Audience:
    """Show a store to the tenant, or to its owner and `audience` and nobody else; return the audience it has now."""
    store = await service.require_changeable_store(tx, caller, store_id)
    if visibility == "tenant" and audience.size:
        raise Invalid("The whole tenant sees the store: name nobody, or make it private.", param="visibility")
    if visibility == "private" and store.owner_id != caller.principal_id:
        audience = _with(caller, audience)
    # Those who shall see it come first: whoever would lose sight of the store in between could not go on.
    await _set_shares(tx, store_id, None, audience)
    await share_store.set_visibility(tx, store_id, visibility)
    if visibility == "private":
        await share_store.narrow_files(tx, store_id)
    facts = {"visibility": visibility, "principals": len(audience.principal_ids), "groups": len(audience.group_ids)}
    await audit.record(tx, "store.share", target_id=encode_id("vs_", store_id), facts=facts)
    return audience


async def document_audience(tx: ReadTx, store_id: UUID, named: OuterId) -> tuple[bool, Audience]:
    """Return who sees a visible document: whether it is restricted, and with whom it is shared itself."""
    document = await versions.require(tx, store_id, named)
    restricted = await share_store.is_restricted(tx, document.id)
    return restricted, await share_store.list_shares(tx, store_id, document.id)


async def share_document_with(
    tx: WriteTx, caller: Caller, store_id: UUID, named: OuterId, *, restricted: bool, audience: Audience
) -> Audience:
    """Restrict a document to `audience`, or show it to whoever sees its store; return the audience it has now."""
    await service.require_changeable_store(tx, caller, store_id)
    document = await versions.require(tx, store_id, named)
    if not restricted and audience.size:
        raise Invalid("Whoever sees the store sees the document: name nobody, or restrict it.", param="restricted")
    if restricted:
        audience = _with(caller, audience)
    await _set_shares(tx, store_id, document.id, audience)
    if restricted:
        await share_store.restrict_document(tx, document.id)
        await share_store.narrow_files(tx, store_id, document_id=document.id)
    else:
        await share_store.open_document(tx, document.id)
    facts = {"restricted": restricted, "principals": len(audience.principal_ids), "groups": len(audience.group_ids)}
    await audit.record(tx, "document.share", target_id=encode_id("doc_", document.id), facts=facts)
    return audience


def _with(caller: Caller, audience: Audience) -> Audience:
    """Return an audience in which the caller is, where it would lose sight of what it shares."""
    if caller.scope.sees_all or caller.principal_id in audience.principal_ids:
        return audience
    return replace(audience, principal_ids=(*audience.principal_ids, caller.principal_id))


async def _set_shares(tx: WriteTx, store_id: UUID, document_id: UUID | None, audience: Audience) -> None:
    if audience.size > AUDIENCE_MAX:
        raise Invalid(
            f"{audience.size} principals and groups were named, at most {AUDIENCE_MAX} are: make a group of them.",
            param="principal_ids",
        )
    await members.require_known(tx, principal_ids=audience.principal_ids, group_ids=audience.group_ids)
    await share_store.add_shares(tx, store_id, document_id, audience)
    await share_store.delete_other_shares(tx, store_id, document_id, audience)
