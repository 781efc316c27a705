"""The rules of metering: every model call is recorded, also one that failed or whose client left."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from mainstay.control.metering import store
from mainstay.control.metering.models import Grouping, MeteredCall, ModelCall, Usage
from mainstay.kernel.errors import Invalid
from mainstay.kernel.paging import Page, PageRequest
from mainstay.platform.postgres import ReadTx, WriteTx
from mainstay.platform.telemetry.metrics import MODEL_COST, MODEL_SECONDS, MODEL_TOKENS

log = structlog.get_logger(__name__)

DAYS_DEFAULT = 30
DAYS_MAX = 400
GROUPS_MAX = 1000


async def record(
    tx: WriteTx,
    call: ModelCall,
    *,
    feature: str,
    conversation_id: UUID | None = None,
    answer_id: UUID | None = None,
) -> None:
    """Record one call for the scope of the transaction, and count it in the metrics of this process."""
    MODEL_TOKENS.labels(call.kind, call.model, "input").inc(call.input_tokens)
    MODEL_TOKENS.labels(call.kind, call.model, "output").inc(call.output_tokens)
    MODEL_COST.labels(call.kind, call.model).inc(call.cost_usd_nanos)
    MODEL_SECONDS.labels(call.kind, call.model, call.outcome).observe(call.latency_ms / 1000)
    # Without the feature, which a client words: it is read in the tenant's own usage.
    log.info(
        "model_call",
        kind=call.kind,
        model=call.model,
        input_tokens=call.input_tokens,
        output_tokens=call.output_tokens,
        latency_ms=call.latency_ms,
        cost_usd_nanos=call.cost_usd_nanos,
        outcome=call.outcome,
    )
    await store.insert(tx, call, feature=feature, conversation_id=conversation_id, answer_id=answer_id)


async def page(tx: ReadTx, request: PageRequest, *, request_id: str | None = None) -> Page[MeteredCall]:
    """Return a page of calls, of one request where asked."""
    return await store.page(tx, request, request_id=request_id)


async def summarise(tx: ReadTx, *, grouping: Grouping | None = None, days: int = DAYS_DEFAULT) -> Usage:
    """Return the calls of the last `days` added up, at most 1,000 groups, the dearest first."""
    if not 1 <= days <= DAYS_MAX:
        raise Invalid(f"Usage can be shown for 1 to {DAYS_MAX} days, not {days}.", param="days")
    since = datetime.now(UTC) - timedelta(days=days)
    return await store.summarise(tx, since=since, grouping=grouping, groups_max=GROUPS_MAX)
