"""The rules of assistants: a request names one, and gets its prompt, model and limits."""

from collections.abc import Mapping

from mainstay.kernel.errors import NotFound
from mainstay.knowledge.assistants.models import Assistant

PREFIX = "assistant/"
DEFAULT = "default"


class Assistants:
    """The assistants of this deployment."""

    def __init__(self, assistants: Mapping[str, Assistant]) -> None:
        self._assistants = assistants

    def names(self) -> list[str]:
        """Return the names as a request writes them, for example `assistant/default`."""
        return [f"{PREFIX}{name}" for name in self._assistants]

    def resolve(self, model: str) -> Assistant:
        """Return the assistant a request names, by `assistant/<name>`; raises NotFound with the names there are."""
        found = self._assistants.get(model.removeprefix(PREFIX))
        if found is None or not model.startswith(PREFIX):
            raise NotFound(f"The model '{model}' is no assistant; there are: {', '.join(self.names())}.", param="model")
        return found
