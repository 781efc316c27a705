"""The settings of the embedded server, written afresh at each start so that they move with the product."""

from collections.abc import Mapping

HOST = "127.0.0.1"
CONNECTIONS_MAX = 60

# A laptop's share of memory: everything of the product together stays below 600 MiB when idle.
_SETTINGS: Mapping[str, str] = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": str(CONNECTIONS_MAX),
    "shared_buffers": "64MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "effective_cache_size": "512MB",
    "max_worker_processes": "4",
    "max_parallel_workers": "2",
    "max_parallel_workers_per_gather": "1",
    "max_parallel_maintenance_workers": "1",
    "max_logical_replication_workers": "0",
    "autovacuum_max_workers": "2",
    # Three resident processes for reads that the cache of the system answers anyway on one machine.
    "io_method": "sync",
    "random_page_cost": "1.1",
    # Nothing acknowledged is ever lost: these three stay as they are.
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "password_encryption": "scram-sha-256",
    # The wheel is built without lz4; stated, so that a build with it does not change what is on disk unasked.
    "default_toast_compression": "pglz",
    # Neither the row that broke a constraint (DETAIL) nor the statement belongs into a log.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "lc_messages": "C",
    "default_text_search_config": "pg_catalog.english",
}

# Only passwords, only from this machine; no unix socket exists.
ACCESS_RULES = f"host all all {HOST}/32 scram-sha-256\n"


def configuration(cluster_name: str, extra: Mapping[str, str]) -> str:
    """Return the text of `postgresql.conf`; `extra` wins over our settings.

    `cluster_name` stands in the title of each of the server's processes, by which they are found again.
    """
    settings = {**_SETTINGS, "cluster_name": cluster_name, **extra}
    lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in settings.items()]
    return "\n".join(["# Written by Mainstay at each start; changes made here are lost.", *lines, ""])
