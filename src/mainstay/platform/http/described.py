"""How a route that writes its own response tells the description of the API what it answers."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Exact(BaseModel):
    """An object with its fields and no others; what is answered is written without it and tested against it."""

    model_config = ConfigDict(extra="forbid")


# One event of a stream; its data is a JSON text, as OpenAI's clients read it.
_EVENT = {
    "type": "object",
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
    "required": ["data"],
    "additionalProperties": False,
}


def answers(model: type[BaseModel], *, streams: bool = False) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that answers 200 with a `model`, or where asked with server-sent events."""
    described: dict[str, Any] = {"model": model, "description": model.__doc__ or ""}
    if streams:
        described["content"] = {"text/event-stream": {"schema": _EVENT}}
    return {200: described}


def answers_bytes() -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that answers 200 with the bytes of a file."""
    schema = {"type": "string", "format": "binary"}
    return {200: {"description": "The bytes.", "content": {"application/octet-stream": {"schema": schema}}}}
