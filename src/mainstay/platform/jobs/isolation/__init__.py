"""Isolation: attempts at jobs in processes of their own, which are killed alone. child.py is the other side."""

from mainstay.platform.jobs.isolation.pool import JobProcesses

__all__ = ["JobProcesses"]
