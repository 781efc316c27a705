"""The rules of metering: every model call is recorded, also one that failed or whose client left."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from mainstay.control.metering import store
from mainstay.control.metering.models import Grouping, MeteredCall, ModelCall, Usage
from mainstay.kernel.errors import Invalid
from mainstay.kernel.paging import Page, PageRequest, cut_page
from mainstay.platform.postgres import ReadTx, WriteTx

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
    """Record one call for the scope of the transaction."""
    await store.insert(tx, call, feature=feature, conversation_id=conversation_id, answer_id=answer_id)


async def page(tx: ReadTx, request: PageRequest, *, request_id: str | None = None) -> Page[MeteredCall]:
    """Return a page of calls, newest first, of one request where asked."""
    rows = await store.page(tx, before=request.after, request_id=request_id, limit=request.limit + 1)
    return cut_page(rows, request.limit)


async def summarise(tx: ReadTx, *, grouping: Grouping | None = None, days: int = DAYS_DEFAULT) -> Usage:
    """Return the calls of the last `days` added up, at most 1,000 groups, the dearest first."""
    if not 1 <= days <= DAYS_MAX:
        raise Invalid(f"Usage can be shown for 1 to {DAYS_MAX} days, not {days}.", param="days")
    since = datetime.now(UTC) - timedelta(days=days)
    return await store.summarise(tx, since=since, grouping=grouping, groups_max=GROUPS_MAX)
