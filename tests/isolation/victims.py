"""Principals that have one of everything, with a canary in every text that they wrote."""

import secrets
from hashlib import sha256

from mainstay.kernel.ids import decode_id
from tests.isolation.things import Things
from tests.support.planted_jobs import Planter
from tests.support.system import Member

_COLOURS = ("amber", "black", "copper", "green", "ivory", "orange", "purple", "silver", "violet", "yellow")
_PLACES = ("bridge", "castle", "garden", "harbour", "market", "meadow", "orchard", "station", "temple", "valley")


async def make_things(member: Member, *, auditor: Member | None = None) -> Things:
    """Make one of each thing, and an older one beside it, so that a cursor has something to show its owner.

    `auditor` is who may read the audit of the member's tenant; without one the audit's id is made up.
    """
    canary = f"canary{secrets.token_hex(8)}"
    name, external_id, talk = (f"{kind}-{secrets.token_hex(8)}" for kind in ("gate", "case", "talk"))
    gate = f"{secrets.choice(_COLOURS)} {secrets.choice(_PLACES)}"
    await member.make_store(f"old-{name}", metadata={"note": canary})
    store_id = await member.make_store(name, metadata={"note": canary})
    await _add(member, store_id, f"{canary}-old.txt", f"The fence was painted green. {canary}-fence.", canary)
    # The canary stands apart from the sentence that answers, which a word of random letters would blur.
    text = f"The code of the {gate} gate is nine four seven.\n\nRemember {canary}-gate."
    file_id = await _add(member, store_id, f"{canary}.txt", text, canary, external_id=external_id)
    document = await member.call("GET", f"/v1/vector_stores/{store_id}/files/{file_id}")
    files = [{"file_id": file_id, "external_id": external_id, "attributes": {"note": canary}}]
    batch = await member.call("POST", f"/v1/vector_stores/{store_id}/file_batches", json={"files": files})
    answer = await member.call(
        "POST",
        "/v1/responses",
        json={
            "input": f"What is the code of the {gate} gate?",
            "metadata": {"conversation_id": talk, "feature": f"{canary}-feature"},
        },
    )
    request_id = answer["request_id"]
    usage = await member.call("GET", f"/v1/usage?request_id={request_id}")
    audit_id = f"aud_{answer['id'].removeprefix('resp_')}"
    if auditor is not None:
        audit_id = (await auditor.call("GET", f"/v1/audit?request_id={request_id}"))["data"][0]["id"]
    group_id = await _group(member, auditor, canary, answer["id"])
    assert member.owner is not None
    planter = Planter.of(member.owner, member.tenant_id, member.principal_id)
    job_id = await planter.succeeded()
    return Things(
        canary=canary,
        gate=gate,
        tenant_id=member.tenant_id.hex,
        file_id=file_id,
        store_id=store_id,
        store_name=name,
        document_id=document["document_id"],
        external_id=external_id,
        answer_id=answer["id"],
        conversation_id=answer["conversation"]["id"],
        conversation_name=talk,
        request_id=request_id,
        call_id=usage["data"][0]["id"],
        audit_id=audit_id,
        key_id=(await member.call("GET", "/v1/limits"))["key_id"],
        batch_id=batch["id"],
        content_sha256=sha256(text.encode()).hexdigest(),
        principal_id=member.principal_id,
        group_id=group_id,
        job_id=job_id,
        # The other's child, so that a list of children has something to show.
        late_job_id=await planter.queued(parent=decode_id("job_", job_id)),
        unwanted_job_id=await planter.queued(),
        dead_job_id=await planter.dead(),
    )


async def _group(member: Member, auditor: Member | None, canary: str, answer_id: str) -> str:
    """Return a group with the member in it."""
    # A group is made by whoever may; a made-up one is as good for a principal that may not even name one.
    group_id, maker = f"grp_{answer_id.removeprefix('resp_')}", auditor or member
    if maker.role in ("owner", "admin"):
        group_id = (await maker.call("POST", "/v1/groups", json={"name": f"{canary}-{secrets.token_hex(4)}"}))["id"]
        added = {"principal_id": member.principal_id}
        await maker.call("POST", f"/v1/groups/{group_id}/members", json=added)
    return group_id


async def _add(
    member: Member, store_id: str, filename: str, text: str, canary: str, *, external_id: str | None = None
) -> str:
    """Upload a text, put it into a store with attributes, and return the file's id once it is found."""
    uploaded = await member.call("POST", "/v1/files", files={"file": (filename, text.encode())})
    body = {"file_id": uploaded["id"], "attributes": {"note": canary}, "external_id": external_id}
    added = await member.call("POST", f"/v1/vector_stores/{store_id}/files", json=body)
    ended = await member.ended(store_id, added["id"])
    assert ended["status"] == "completed", ended
    return uploaded["id"]
