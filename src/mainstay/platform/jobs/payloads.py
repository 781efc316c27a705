"""Payloads: a type on both sides of the table, and JSON in it.

What is stored has been read back once already, so a worker of the same version can always read it. A field that is
added later needs a default, and one that is taken away is passed over: jobs outlive the version that enqueued them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any, Generic, cast

import orjson
from pydantic import BaseModel, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError
from typing_extensions import TypeVar

from mainstay.kernel.errors import Invalid
from mainstay.platform.jobs.errors import Reject
from mainstay.platform.jobs.limits import PAYLOAD_BYTES_MAX

# A payload as the table has it.
Payload = Mapping[str, Any]
PayloadT = TypeVar("PayloadT", default=Payload)


class InvalidPayload(Invalid):
    """What is to be enqueued is no payload of this kind."""

    code = "invalid_payload"


@dataclass(frozen=True)
class PayloadType(Generic[PayloadT]):
    """How the payloads of one kind are written and read; without an adapter they are mappings and stay as they are."""

    kind: str
    type_name: str
    adapter: TypeAdapter[PayloadT] | None

    @classmethod
    def of(cls, kind: str, payload: type[PayloadT] | None) -> "PayloadType[PayloadT]":
        """Return how payloads of type `payload` are written and read; raises ValueError for a type that cannot be."""
        if payload is None:
            return cls(kind, "mapping", None)
        frozen = is_dataclass(payload) and payload.__dataclass_params__.frozen  # pyright: ignore[reportAttributeAccessIssue]
        if not frozen and not issubclass(payload, BaseModel):
            raise ValueError(
                f"JobKind '{kind}': payload {payload.__name__} must be a frozen dataclass or a pydantic model"
            )
        try:
            return cls(kind, payload.__name__, TypeAdapter(payload))
        except PydanticUserError as error:
            raise ValueError(f"JobKind '{kind}': payload {payload.__name__} cannot be JSON: {error.message}") from None

    def write(self, payload: PayloadT) -> Payload:
        """Return `payload` as it is stored; raises InvalidPayload for another type, a wrong value or too many bytes."""
        data = self._dump(payload)
        if len(data) > PAYLOAD_BYTES_MAX:
            raise InvalidPayload(
                f"The payload of a '{self.kind}' job has {len(data)} bytes, not at most {PAYLOAD_BYTES_MAX}:"
                " pass an id."
            )
        return cast("Payload", payload) if self.adapter is None else orjson.loads(data)

    def read(self, stored: Payload) -> PayloadT:
        """Return a stored payload; raises Reject when it does not fit the type (any more)."""
        if self.adapter is None:
            return cast("PayloadT", stored)
        try:
            return self.adapter.validate_json(orjson.dumps(stored))
        except ValidationError as error:
            raise Reject(
                "invalid_payload",
                f"The payload stored for a '{self.kind}' job does not fit {self.type_name}: {_first(error)}."
                " A newer version may have changed the type: give a new field a default.",
            ) from None

    def read_if_it_fits(self, stored: Payload) -> PayloadT | None:
        """Return a stored payload, or None where it does not fit the type."""
        try:
            return self.read(stored)
        except Reject:
            return None

    def _dump(self, payload: PayloadT) -> bytes:
        if self.adapter is None:
            return orjson.dumps(payload)
        try:
            # Warnings tell of values that are not of their field's type, which a dataclass does not look at.
            data = self.adapter.dump_json(payload, warnings="error")
            self.adapter.validate_json(data)
        except PydanticSerializationError as error:
            reason = " ".join(str(error).split())
            raise InvalidPayload(f"A '{self.kind}' job needs a {self.type_name}, as it is declared: {reason}") from None
        except ValidationError as error:
            raise InvalidPayload(
                f"A '{self.kind}' job needs a {self.type_name} that can be read back: {_first(error)}."
            ) from None
        return data


def _first(error: ValidationError) -> str:
    """Return what is wrong with the first field; its value stays out, for it may be somebody's."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in found["loc"])
    return f"{where}: {found['msg']}" if where else found["msg"]
