"""Limits as clients see them."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel

from mainstay.control.access.models import Caller
from mainstay.control.limits.models import Limits, Quota, Standing, SubjectKind, Window
from mainstay.kernel.ids import encode_id


class QuotaObject(BaseModel):
    """How one window stands for one subject: `remaining` of `limit` requests, and all of them after `resets_s`."""

    object: Literal["limit"] = "limit"
    subject: SubjectKind
    window: Window
    limit: int
    requests_per_second: float | None
    remaining: int
    resets_s: float

    @classmethod
    def of(cls, quota: Quota) -> "QuotaObject":
        """Return the outer form of a quota."""
        return cls(
            subject=quota.subject.kind,
            window=quota.window,
            limit=quota.limit,
            requests_per_second=quota.requests_per_second,
            remaining=quota.left,
            resets_s=round(quota.resets_s, 3),
        )


class LimitsObject(BaseModel):
    """What holds for the caller: its tenant's plan, and the caps of the principal and the key where there are any."""

    object: Literal["limits"] = "limits"
    plan: str | None
    principal_id: str
    key_id: str
    data: Sequence[QuotaObject]

    @classmethod
    def of(cls, caller: Caller, plan: str | None, standing: Standing) -> "LimitsObject":
        """Return the outer form of how a caller's limits stand."""
        return cls(
            plan=plan,
            principal_id=encode_id("usr_", caller.principal_id),
            key_id=encode_id("key_", caller.key_id),
            data=[QuotaObject.of(quota) for quota in standing.quotas],
        )


class CapUpdate(BaseModel):
    """The limits of one key or principal; with none of them its caps are taken away."""

    requests_per_second: float | None = None
    requests_burst: int | None = None
    requests_per_hour: int | None = None


class CapObject(CapUpdate):
    """The limits that a key or a principal has of its own."""

    id: str
    object: Literal["limits.cap"] = "limits.cap"

    @classmethod
    def of(cls, outer_id: str, limits: Limits) -> "CapObject":
        """Return the outer form of caps."""
        return cls(
            id=outer_id,
            requests_per_second=limits.requests_per_second,
            requests_burst=limits.requests_burst,
            requests_per_hour=limits.requests_per_hour,
        )
