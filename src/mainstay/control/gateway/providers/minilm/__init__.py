"""MiniLM-L6-v2 in our own process: the default embedding model."""

from mainstay.control.gateway.providers.minilm.model import MiniLm as MiniLm
