"""The Python client of the HTTP API; it imports nothing of ours, so that it can be used anywhere."""

from mainstay.sdk.client import ApiError, Client, Unreachable

__all__ = ["ApiError", "Client", "Unreachable"]
