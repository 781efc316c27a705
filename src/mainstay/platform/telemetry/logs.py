"""Structured logs: one JSON object a line, with the request id that also stands in usage, audit and receipt."""

import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager

import orjson
import structlog
from structlog.tracebacks import ExceptionDictTransformer

# Without the variables of the frames: among them are keys, questions and the text of documents.
_TRACEBACKS = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))


def configure_logging(service: str, *, level: str = "INFO") -> None:
    """Send the logs of this process, ours and those of libraries, to standard error as JSON lines."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
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


class _Forward(logging.Handler):
    """Hands records of the standard library's logging on to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger(record.name)
        logger.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)
