"""The errors everyone shares: a kind says what a caller can do, a code says which rule spoke."""

from typing import ClassVar, Literal

Kind = Literal["not_found", "denied", "unauthenticated", "conflict", "invalid", "exhausted", "unavailable"]


class MainstayError(Exception):
    """Root of every error that a person or a client may see.

    A subclass sets `kind` and `code`; the edge maps kinds to HTTP statuses and exit codes in one table each.
    `param` names the field of the request that was wrong, where there is one.
    """

    kind: ClassVar[Kind] = "invalid"
    code: ClassVar[str] = "invalid_request"

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class NotFound(MainstayError):
    """Nothing with this id exists, or the caller must not know that it does."""

    kind = "not_found"
    code = "not_found"


class Invalid(MainstayError):
    """The request cannot be understood or breaks a named limit."""


class Denied(MainstayError):
    """The caller is known and may not do this."""

    kind = "denied"
    code = "permission_denied"


class Unavailable(MainstayError):
    """Something that is needed does not answer; the same request may succeed later."""

    kind = "unavailable"
    code = "unavailable"


def invariant(condition: bool, sentence: str) -> None:
    """Raise AssertionError with `sentence` unless `condition` holds; unlike `assert` it survives -O."""
    if not condition:
        raise AssertionError(sentence)
