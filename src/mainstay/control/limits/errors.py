"""What can go wrong with limits on requests."""

from mainstay.control.limits.models import Standing
from mainstay.kernel.errors import MainstayError


class RateLimited(MainstayError):
    """A limit has nothing left; `standing` tells which, and how long until it has."""

    kind = "exhausted"
    code = "rate_limit_exceeded"

    def __init__(self, standing: Standing) -> None:
        refusal = standing.tightest
        super().__init__(
            f"Too many requests: {refusal.subject.words} may make {refusal.words},"
            f" and none is left. Try again in {standing.retry_after_s:.2f} s."
        )
        self.standing = standing


class LimitsUnavailable(MainstayError):
    """The database cannot count; what is not counted is not admitted."""

    kind = "unavailable"
    code = "limits_unavailable"


class UnknownPlan(MainstayError):
    """No plan of this name is for tenants."""

    kind = "not_found"
    code = "unknown_plan"
