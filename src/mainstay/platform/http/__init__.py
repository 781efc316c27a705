"""Conventions of the HTTP API that every slice's routes share: lists, pages, the limits of both."""

from mainstay.platform.http.described import Exact, answers, answers_bytes
from mainstay.platform.http.event_stream import EventStream
from mainstay.platform.http.json_response import JsonResponse
from mainstay.platform.http.listing import Deleted, Listing, ListObject

__all__ = [
    "Deleted",
    "EventStream",
    "Exact",
    "JsonResponse",
    "ListObject",
    "Listing",
    "answers",
    "answers_bytes",
]
