"""What the system says of itself: JSON logs that carry the request id, and metrics."""

from mainstay.platform.telemetry.logs import bind_request, configure_logging, name_task

__all__ = ["bind_request", "configure_logging", "name_task"]
