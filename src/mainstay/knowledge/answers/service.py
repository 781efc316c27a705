"""The rules of stored answers: reading them, explaining them, and ending those that a crash left running."""

from dataclasses import replace
from uuid import UUID

import structlog

from mainstay.control.audit import service as audit
from mainstay.kernel.ids import encode_id, not_found
from mainstay.knowledge.answers import store
from mainstay.knowledge.answers.models import Answer, Receipt
from mainstay.knowledge.documents import versions
from mainstay.platform.postgres import Database, ReadTx

log = structlog.get_logger(__name__)

SWEEP_BATCH = 100


async def require(tx: ReadTx, answer_id: UUID) -> Answer:
    """Return one visible answer with its sources and citations; raises NotFound."""
    found = await store.find_answer(tx, answer_id)
    if found is None:
        raise not_found("resp_", answer_id)
    return await store.with_receipt(tx, found)


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
