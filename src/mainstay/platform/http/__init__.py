"""Conventions of the HTTP API that every slice's routes share: lists, pages, the limits of both."""

from mainstay.platform.http.event_stream import EventStream
from mainstay.platform.http.json_response import JsonResponse
from mainstay.platform.http.listing import Deleted, ListObject, page_request

__all__ = ["Deleted", "EventStream", "JsonResponse", "ListObject", "page_request"]
