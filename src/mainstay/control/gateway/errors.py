"""What can go wrong between us and a model."""

from collections.abc import Sequence

from mainstay.kernel.errors import MainstayError


class UnknownModel(MainstayError):
    """No model of this deployment has the name."""

    kind = "not_found"
    code = "model_not_found"

    def __init__(self, name: str | None, known: Sequence[str]) -> None:
        super().__init__(f"The model '{name}' does not exist here; there are: {', '.join(known)}.", param="model")
