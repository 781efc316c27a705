"""What can go wrong with operations."""

from mainstay.kernel.errors import MainstayError


class NoResult(MainstayError):
    """The job has not resulted in anything."""

    kind = "not_found"
    code = "no_result"
