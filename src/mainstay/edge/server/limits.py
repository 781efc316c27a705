"""What one request, one connection and all of them together may take of the server. Every number of the edge."""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True)
class EdgeLimits:
    """The limits, each with the refusal that a client sees beyond it."""

    # The head. 414 for the address, 431 for the rest.
    url_bytes_max: int = 8 * KIB
    header_bytes_max: int = 16 * KIB
    headers_max: int = 100
    # Bodies, 413. What is open to everyone takes little, so that strangers take no room from those with a key. A
    # multipart body carries boundaries and fields besides the file.
    json_bytes_max: int = MIB
    public_bytes_max: int = 64 * KIB
    upload_bytes_max: int = 50 * MIB
    multipart_extra_bytes_max: int = 64 * KIB
    multipart_parts_max: int = 16
    # What JSON may be, 400.
    json_depth_max: int = 64
    integer_digits_max: int = 19

    # How slow a client may be, 408. A head is there in `headers_timeout_s`. For a body the server waits as long as its
    # patience lasts: `body_patience_s` at first, which every `body_bytes_per_s_min` bytes that come restore by one
    # second; and all in all `body_timeout_s`, or for an upload, which is fifty times as large, `request_timeout_s`.
    headers_timeout_s: float = 15.0
    body_timeout_s: float = 60.0
    body_patience_s: float = 10.0
    body_bytes_per_s_min: int = 16 * KIB
    # How long everything together may take, 503: receipt, work, and a response that is streamed.
    request_timeout_s: float = 600.0
    # Connections are cut: one on which nothing is asked, one whose client takes no more of a response, and one whose
    # client, once refused, has had the time to read why. Longer idle than the load balancers in front of us (60 s).
    keep_alive_idle_s: float = 75.0
    response_stall_s: float = 30.0
    linger_s: float = 2.0
    linger_bytes_max: int = MIB

    # All together, 503 with Retry-After. A process may have 1,024 files open on a stock Linux, some of which are not
    # connections. Bodies over `body_counted_bytes` share the room of all bodies of their kind: JSON stands in memory,
    # uploads in temporary files on the disk.
    connections_max: int = 800
    refused_connections_max: int = 64
    pipelined_requests_max: int = 8
    body_counted_bytes: int = 64 * KIB
    json_room_bytes: int = 64 * MIB
    upload_room_bytes: int = 256 * MIB
    room_wait_s: float = 10.0

    @property
    def multipart_bytes_max(self) -> int:
        """Return how large the body of an upload may be, the file with what goes around it."""
        return self.upload_bytes_max + self.multipart_extra_bytes_max
