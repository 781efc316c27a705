"""A model call and what it took; usage is model calls added up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

CallKind = Literal["chat", "embedding"]
CallOutcome = Literal["completed", "failed", "cancelled"]
Grouping = Literal["feature", "model", "conversation"]


@dataclass(frozen=True)
class ModelCall:
    """What one call of a model took. Cost is rounded up once, here; `priced` is False where no price is known."""

    kind: CallKind
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    latency_ms: float
    cost_usd_nanos: int
    priced: bool
    outcome: CallOutcome = "completed"


@dataclass(frozen=True)
class MeteredCall:
    """A model call as it was recorded: for which request, feature and conversation."""

    id: UUID
    at: datetime
    request_id: str
    feature: str
    conversation_id: UUID | None
    answer_id: UUID | None
    call: ModelCall


@dataclass(frozen=True)
class UsageGroup:
    """Calls of one feature, model or conversation added up; latencies are percentiles over its calls."""

    key: str | None
    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd_nanos: int
    unpriced_calls: int
    latency_ms_p50: float
    latency_ms_p95: float
    latency_ms_p99: float


@dataclass(frozen=True)
class Usage:
    """A summary: all calls as one group, the groups asked for, and the P95 of what a conversation cost."""

    total: UsageGroup
    groups: Sequence[UsageGroup]
    conversations: int
    conversation_cost_usd_nanos_p50: int
    conversation_cost_usd_nanos_p95: int
    conversation_cost_usd_nanos_p99: int
