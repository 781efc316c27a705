"""The SQL of metering."""

from dataclasses import asdict, fields
from datetime import datetime
from uuid import UUID

from mainstay.control.metering.models import Grouping, MeteredCall, ModelCall, Usage, UsageGroup
from mainstay.kernel.ids import new_id
from mainstay.kernel.paging import Page, PageRequest
from mainstay.platform.postgres import ReadTx, Record, WriteTx, fetch_page, load_queries

_QUERIES = load_queries(__package__)
_CALL_FIELDS = tuple(field.name for field in fields(ModelCall))


async def insert(
    tx: WriteTx, call: ModelCall, *, feature: str, conversation_id: UUID | None, answer_id: UUID | None
) -> None:
    """Record one call."""
    await tx.execute(
        _QUERIES["insert_call"],
        id=new_id(),
        request_id=tx.scope.request_id,
        feature=feature,
        conversation_id=conversation_id,
        answer_id=answer_id,
        **asdict(call),
    )


async def page(tx: ReadTx, request: PageRequest, *, request_id: str | None) -> Page[MeteredCall]:
    """Return a page of calls, of one request where asked."""
    return await fetch_page(
        tx, _QUERIES["list_calls"], request, _metered, key=_QUERIES["find_call_key"], request_id=request_id
    )


def _metered(row: Record) -> MeteredCall:
    return MeteredCall(
        id=row["id"],
        at=row["at"],
        request_id=row["request_id"],
        feature=row["feature"],
        conversation_id=row["conversation_id"],
        answer_id=row["answer_id"],
        call=ModelCall(**{name: row[name] for name in _CALL_FIELDS}),
    )


async def summarise(tx: ReadTx, *, since: datetime, grouping: Grouping | None, groups_max: int) -> Usage:
    """Return the calls since `since` added up."""
    rows = await tx.fetch(_QUERIES["sum_calls"], grouping=grouping, since=since, limit=groups_max + 1)
    costs = await tx.fetch_one(_QUERIES["conversation_costs"], since=since)
    p50, p95, p99 = costs["cost_usd_nanos"] or (0, 0, 0) if costs else (0, 0, 0)
    groups = [_group(row) for row in rows]
    return Usage(
        total=groups[0],
        groups=groups[1:] if grouping else (),
        conversations=costs["conversations"] if costs else 0,
        conversation_cost_usd_nanos_p50=p50,
        conversation_cost_usd_nanos_p95=p95,
        conversation_cost_usd_nanos_p99=p99,
    )


def _group(row: Record) -> UsageGroup:
    p50, p95, p99 = row["latency_ms"] or (0.0, 0.0, 0.0)
    return UsageGroup(
        key=row["key"],
        calls=row["calls"],
        input_tokens=row["input_tokens"] or 0,
        output_tokens=row["output_tokens"] or 0,
        cost_usd_nanos=row["cost_usd_nanos"] or 0,
        unpriced_calls=row["unpriced_calls"],
        latency_ms_p50=round(p50, 2),
        latency_ms_p95=round(p95, 2),
        latency_ms_p99=round(p99, 2),
    )
