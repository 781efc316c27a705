"""The built-in model: it quotes the sentences that answer a question, or says that it does not know."""

from mainstay.control.gateway.providers.extractive.model import Extractive

__all__ = ["Extractive"]
