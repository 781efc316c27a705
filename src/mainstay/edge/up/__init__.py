"""`mainstay up`, `down` and `status`: the supervisor of everything that runs on one machine."""

from mainstay.edge.up.down import down
from mainstay.edge.up.errors import ExitCode
from mainstay.edge.up.settings import Prepare, UpLimits, UpSettings
from mainstay.edge.up.status import DatabaseStatus, ProcessStatus, SystemStatus, status
from mainstay.edge.up.up import up

__all__ = [
    "DatabaseStatus",
    "ExitCode",
    "Prepare",
    "ProcessStatus",
    "SystemStatus",
    "UpLimits",
    "UpSettings",
    "down",
    "status",
    "up",
]
