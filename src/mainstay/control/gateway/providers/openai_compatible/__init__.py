"""Any endpoint that speaks OpenAI's wire format: chat completions as a stream, and embeddings."""

from mainstay.control.gateway.providers.openai_compatible.chat import OpenAiCompatible
from mainstay.control.gateway.providers.openai_compatible.embeddings import OpenAiCompatibleEmbeddings
from mainstay.control.gateway.providers.openai_compatible.policy import Deadlines, Retries

__all__ = ["Deadlines", "OpenAiCompatible", "OpenAiCompatibleEmbeddings", "Retries"]
