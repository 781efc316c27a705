"""Structured logs: one JSON object a line, with the request id that also stands in usage, audit and receipt."""

import logging
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

import orjson
import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict

# Without the variables of the frames: among them are keys, questions and the text of documents.
_TRACEBACKS = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))

_fields_of_task: ContextVar[Callable[[], Mapping[str, object]] | None] = ContextVar("fields_of_task", default=None)


def configure_logging(service: str, *, level: str = "INFO") -> None:
    """Send the logs of this process, ours and those of libraries, to standard error as JSON lines."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _add_fields_of_task,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _TRACEBACKS,
            structlog.processors.JSONRenderer(serializer=lambda event, **_: orjson.dumps(event, default=str).decode()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(handlers=[_Forward()], level=logging.WARNING, force=True)


@contextmanager
def bind_request(**fields: str) -> Generator[None]:
    """Add fields, such as request_id and tenant_id, to every log line of this task."""
    with structlog.contextvars.bound_contextvars(**fields):
        yield


def name_task(fields: Callable[[], Mapping[str, object]]) -> None:
    """Add fields to every log line of this task from now on; they are only made for a line that is written."""
    _fields_of_task.set(fields)


def _add_fields_of_task(_logger: object, _method: str, event: EventDict) -> EventDict:
    fields = _fields_of_task.get()
    return event if fields is None else {**fields(), **event}


class _Forward(logging.Handler):
    """Hands records of the standard library's logging on to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger(record.name)
        logger.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)
