"""What can go wrong between us and a model."""

from collections.abc import Sequence

from mainstay.kernel.errors import MainstayError


class UnknownModel(MainstayError):
    """No model of this deployment has the name."""

    kind = "not_found"
    code = "model_not_found"

    def __init__(self, name: str | None, known: Sequence[str]) -> None:
        super().__init__(f"The model '{name}' does not exist here; there are: {', '.join(known)}.", param="model")


class ModelUnavailable(MainstayError):
    """The provider does not answer, answers too slowly, breaks off, or sends what cannot be read."""

    kind = "unavailable"
    code = "model_unavailable"


class ModelMisconfigured(MainstayError):
    """The provider knows neither our key nor our model; only who runs this deployment can mend it."""

    kind = "unavailable"
    code = "model_misconfigured"


class ModelExhausted(MainstayError):
    """The provider's rate limit or quota is used up."""

    kind = "exhausted"
    code = "model_exhausted"


class ModelThrottled(ModelExhausted):
    """The provider asks for patience; `retry_after_s` is for how long, where it said so."""

    def __init__(self, message: str, retry_after_s: float | None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ModelRejected(MainstayError):
    """The provider refuses this request; the same request will be refused again."""

    kind = "invalid"
    code = "model_rejected"
