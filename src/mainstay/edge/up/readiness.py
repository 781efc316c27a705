"""Asking the server whether it is ready, with a bare socket: this runs many times while a system starts."""

import socket

_PROBE_TIMEOUT_S = 1.0


def is_ready(host: str, port: int) -> bool:
    """Tell whether `GET /readyz` answers 200 within a second."""
    request = f"GET /readyz HTTP/1.0\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection((host, port), timeout=_PROBE_TIMEOUT_S) as connection:
            connection.sendall(request.encode("ascii"))
            with connection.makefile("rb") as answer:
                status_line = answer.readline(256)
    except OSError:
        return False
    return status_line.split(b" ")[1:2] == [b"200"]
