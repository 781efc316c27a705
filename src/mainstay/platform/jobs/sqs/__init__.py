"""SQS as a transport: a message wakes the workers of a queue, holds nothing of a tenant, and may be lost or doubled.

The table of jobs stays the truth: whoever is woken claims there, so a message too many costs one look, and one too
few is made up for by the looks of every process.
"""

from mainstay.platform.jobs.sqs.address import InvalidSqsAddress, SqsAddress
from mainstay.platform.jobs.sqs.client import SqsRefused, SqsUnavailable
from mainstay.platform.jobs.sqs.limits import SqsLimits
from mainstay.platform.jobs.sqs.transport import SqsTransport, open_sqs

__all__ = [
    "InvalidSqsAddress",
    "SqsAddress",
    "SqsLimits",
    "SqsRefused",
    "SqsTransport",
    "SqsUnavailable",
    "open_sqs",
]
