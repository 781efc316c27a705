"""Usage as clients see it; money is integer nano-USD and, beside it, text that is exact."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel

from mainstay.control.metering.models import Grouping, MeteredCall, Usage, UsageGroup
from mainstay.kernel.ids import encode_id
from mainstay.kernel.money import format_usd
from mainstay.kernel.paging import Page
from mainstay.platform.http import ListObject


class CallObject(BaseModel):
    """One model call."""

    id: str
    object: Literal["usage.call"] = "usage.call"
    at: str
    request_id: str
    kind: str
    feature: str
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    latency_ms: float
    cost_usd_nanos: int
    cost_usd: str
    priced: bool
    outcome: str
    conversation_id: str | None
    answer_id: str | None

    @classmethod
    def of(cls, metered: MeteredCall) -> "CallObject":
        """Return the outer form of a call."""
        call = metered.call
        return cls(
            id=encode_id("call_", metered.id),
            at=metered.at.isoformat(),
            request_id=metered.request_id,
            kind=call.kind,
            feature=metered.feature,
            provider=call.provider,
            model=call.model,
            input_tokens=call.input_tokens,
            output_tokens=call.output_tokens,
            latency_ms=call.latency_ms,
            cost_usd_nanos=call.cost_usd_nanos,
            cost_usd=format_usd(call.cost_usd_nanos),
            priced=call.priced,
            outcome=call.outcome,
            conversation_id=encode_id("conv_", metered.conversation_id) if metered.conversation_id else None,
            answer_id=encode_id("resp_", metered.answer_id) if metered.answer_id else None,
        )


class GroupObject(BaseModel):
    """Calls added up."""

    key: str | None
    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd_nanos: int
    cost_usd: str
    unpriced_calls: int
    latency_ms_p50: float
    latency_ms_p95: float
    latency_ms_p99: float

    @classmethod
    def of(cls, group: UsageGroup) -> "GroupObject":
        """Return the outer form of a group."""
        return cls(
            key=group.key,
            calls=group.calls,
            input_tokens=group.input_tokens,
            output_tokens=group.output_tokens,
            cost_usd_nanos=group.cost_usd_nanos,
            cost_usd=format_usd(group.cost_usd_nanos),
            unpriced_calls=group.unpriced_calls,
            latency_ms_p50=group.latency_ms_p50,
            latency_ms_p95=group.latency_ms_p95,
            latency_ms_p99=group.latency_ms_p99,
        )


class ConversationCosts(BaseModel):
    """What a conversation cost."""

    conversations: int
    p50_cost_usd_nanos: int
    p95_cost_usd_nanos: int
    p99_cost_usd_nanos: int
    p95_cost_usd: str


class UsageObject(BaseModel):
    """The summary, and a page of the calls behind it."""

    object: Literal["usage"] = "usage"
    days: int
    by: Grouping | None
    total: GroupObject
    groups: Sequence[GroupObject]
    cost_per_conversation: ConversationCosts
    data: Sequence[CallObject]
    first_id: str | None
    last_id: str | None
    has_more: bool

    @classmethod
    def of(cls, usage: Usage, page: Page[MeteredCall], *, days: int, by: Grouping | None) -> "UsageObject":
        """Return the outer form of a summary."""
        costs = ConversationCosts(
            conversations=usage.conversations,
            p50_cost_usd_nanos=usage.conversation_cost_usd_nanos_p50,
            p95_cost_usd_nanos=usage.conversation_cost_usd_nanos_p95,
            p99_cost_usd_nanos=usage.conversation_cost_usd_nanos_p99,
            p95_cost_usd=format_usd(usage.conversation_cost_usd_nanos_p95),
        )
        groups = [GroupObject.of(group) for group in usage.groups]
        if by == "conversation":
            groups = [group.model_copy(update={"key": _conversation(group.key)}) for group in groups]
        calls = ListObject[CallObject].of_page(page, CallObject.of)
        return cls(
            days=days,
            by=by,
            total=GroupObject.of(usage.total),
            groups=groups,
            cost_per_conversation=costs,
            data=calls.data,
            first_id=calls.first_id,
            last_id=calls.last_id,
            has_more=calls.has_more,
        )


def _conversation(key: str | None) -> str | None:
    return f"conv_{key.replace('-', '')}" if key else None
