"""An assistant: a prompt, a model and limits, by name."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Assistant:
    """What `assistant/<name>` means on a request."""

    name: str
    prompt: str
    model: str
    passages_max: int = 8
    output_tokens_max: int = 800
    history_turns_max: int = 6
