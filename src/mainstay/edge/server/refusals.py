"""What the edge itself turns down, before or while a request is received: a status, a stable code, a sentence."""

from collections.abc import Mapping
from http import HTTPStatus

import orjson
from starlette.exceptions import HTTPException

RETRY_AFTER_S = "2"

# The word that OpenAI's clients read as the type of an error.
_KINDS: Mapping[int, str] = {500: "server_error", 503: "service_unavailable_error"}


class Refused(HTTPException):
    """A request that is turned down.

    An HTTPException, because FastAPI makes a plain 400 of whatever else is raised while it reads a body.
    """

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        retry = {"retry-after": RETRY_AFTER_S} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
        super().__init__(status, message, headers=retry)
        self.code = code

    @property
    def body(self) -> dict[str, object]:
        """Return the body that tells of it."""
        kind = _KINDS.get(self.status_code, "invalid_request_error")
        return error_body(self.detail, kind, code=self.code)

    def encode(self, request_id: str) -> bytes:
        """Return the whole response in HTTP/1.1, for a request that never became one."""
        content = orjson.dumps(self.body)
        status = HTTPStatus(self.status_code)
        head = {
            "content-type": "application/json",
            "content-length": str(len(content)),
            "connection": "close",
            "x-request-id": request_id,
            "x-content-type-options": "nosniff",
            **(self.headers or {}),
        }
        lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in head.items())]
        return "\r\n".join([*lines, "", ""]).encode("ascii") + content


def error_body(message: str, kind: str, *, param: str | None = None, code: str | None = None) -> dict[str, object]:
    """Return the body OpenAI's clients read: `error` with message, type, param and code."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def body_too_large(bytes_max: int) -> Refused:
    """Return the refusal of a body that has more bytes than are taken where it was sent."""
    message = f"The body has more than the {bytes_max} bytes that are taken here; send less."
    return Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", message)


def too_slow(what: str, seconds: float) -> Refused:
    """Return the refusal of a client that did not send `what` in time."""
    message = f"The {what} did not come within {seconds:g} s of waiting; send the request again, faster."
    return Refused(HTTPStatus.REQUEST_TIMEOUT, "request_timeout", message)


def invalid_body(message: str) -> Refused:
    """Return the refusal of a body that cannot be read."""
    return Refused(HTTPStatus.BAD_REQUEST, "invalid_body", message)


def busy(message: str) -> Refused:
    """Return the refusal of a request for which there is no room at the moment."""
    return Refused(HTTPStatus.SERVICE_UNAVAILABLE, "overloaded", message)
