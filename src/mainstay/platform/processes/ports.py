"""TCP ports of this machine."""

import errno
import secrets
import socket

# Below the ranges from which Linux (32768) and macOS (49152) take the ports of outgoing connections, so that a
# remembered port is not lost to one of those.
_PORTS = range(20_000, 32_000)
_PICKS_MAX = 200


def is_port_free(host: str, port: int) -> bool:
    """Tell whether a server could listen on `host`:`port` now.

    Raises PermissionError for a port that only root may use and OSError for an address that is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: connections of an earlier run that linger in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def pick_port(host: str) -> int:
    """Return a random port on which a server could listen now; raises OSError when none is found."""
    for _ in range(_PICKS_MAX):
        port = secrets.choice(_PORTS)
        if is_port_free(host, port):
            return port
    raise OSError(errno.EADDRINUSE, f"no free port between {_PORTS[0]} and {_PORTS[-1]} on {host}")
