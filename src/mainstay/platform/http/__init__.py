"""Conventions of the HTTP API that every slice's routes share: lists, pages, the limits of both."""

from mainstay.platform.http.described import Exact, answers, answers_bytes
from mainstay.platform.http.event_stream import EventStream
from mainstay.platform.http.json_response import JsonResponse
from mainstay.platform.http.listing import Deleted, ListObject, page_request

__all__ = [
    "Deleted",
    "EventStream",
    "Exact",
    "JsonResponse",
    "ListObject",
    "answers",
    "answers_bytes",
    "page_request",
]
