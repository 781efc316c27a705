"""The rules of stored answers: reading them, explaining them, and ending those that a crash left running."""

from dataclasses import replace
from uuid import UUID

import structlog

from mainstay.control.access import service as access
from mainstay.control.access.models import Caller
from mainstay.control.audit import service as audit
from mainstay.kernel.ids import encode_id, not_found
from mainstay.knowledge.answers import store
from mainstay.knowledge.answers.models import Answer, Receipt
from mainstay.knowledge.documents import versions
from mainstay.platform.postgres import Database, ReadTx, WriteTx

log = structlog.get_logger(__name__)

SWEEP_BATCH = 100


async def require(tx: ReadTx, answer_id: UUID) -> Answer:
    """Return one visible answer with its sources and citations; raises NotFound."""
    found = await store.find_answer(tx, answer_id)
    if found is None:
        raise not_found("resp_", answer_id)
    return await store.with_receipt(tx, found)


async def delete(tx: WriteTx, caller: Caller, answer_id: UUID) -> None:
    """Delete an answer: it is hidden from every read and from history, and its words are removed.

    One that another principal asked for needs a permission of its own; raises PermissionDenied. What stays is that it
    was asked for, what it took, and the audit.
    """
    found = await require(tx, answer_id)
    if found.owner_id != caller.principal_id:
        access.require(caller, "answers.delete")
    await store.delete_answer(tx, answer_id)
    facts = {"owner_id": encode_id("usr_", found.owner_id)}
    await audit.record(tx, "answer.delete", target_id=encode_id("resp_", answer_id), facts=facts)


async def explain(tx: ReadTx, answer_id: UUID) -> Receipt:
    """Return an answer's receipt, with how each of its sources stands today."""
    answer = await require(tx, answer_id)
    states = await versions.states_of(tx, [source.version_id for source in answer.sources])
    return Receipt(answer, {source.version_id: states.get(source.version_id, "deleted") for source in answer.sources})


async def sweep(database: Database) -> int:
    """End answers that a crash left running past their deadline; return how many."""
    async with database.keyhole() as tx:
        overdue = await store.overdue(tx, limit=SWEEP_BATCH)
    for scope, answer_id in overdue:
        async with database.write(scope, unaudited="nothing changes where its own process ended it meanwhile") as tx:
            answer = await store.find_answer(tx, answer_id)
            lost = answer and replace(answer, state="failed", failure_code="process_lost")
            if lost is None or await store.finish_answer(tx, lost) is None:
                continue
            await audit.record(
                tx,
                "answer.finish",
                outcome="failed",
                target_id=encode_id("resp_", answer_id),
                facts={"state": "failed", "failure_code": "process_lost"},
            )
        log.warning("answer_swept", answer_id=str(answer_id))
    return len(overdue)
