"""The child process: reads files from its standard input, one frame each, and answers with documents or reasons."""

import json
import os
import resource
import shutil
import sys
from pathlib import Path
from typing import BinaryIO

from mainstay.knowledge.documents.parsed import ParseRejected
from mainstay.knowledge.documents.parsers.confinement import Confinement, allow_cpu, confine
from mainstay.knowledge.documents.parsers.frames import Header, document_frame, read_frame, rejection_frame, write_frame
from mainstay.knowledge.documents.parsers.limits import ParseLimits
from mainstay.knowledge.documents.parsers.parse import parse

_STATM = Path("/proc/self/statm")


def main() -> None:
    """Serve until the parent closes the pipe. The limits stand in the only argument, as JSON."""
    given = json.loads(sys.argv[1])
    limits, confinement = ParseLimits(**given["parse"]), Confinement(**given["confinement"])
    requests, replies = _take_pipes()
    network_denied = confine(confinement)
    write_frame(replies, {"state": "ready", "network_denied": network_denied})
    while True:
        try:
            header, data = read_frame(requests, body_bytes_max=limits.bytes_max)
        except EOFError:
            # The parent removes this folder, unless it was killed.
            shutil.rmtree(Path.cwd(), ignore_errors=True)
            return
        allow_cpu(confinement.cpu_s)
        answer, body = _answer(header, data, limits)
        del data
        write_frame(replies, answer | {"rss_bytes": _rss_bytes()}, body)


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Return private copies of the pipes, so that nothing a library prints gets between the frames."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    return requests, replies


def _answer(header: Header, data: bytes, limits: ParseLimits) -> tuple[Header, bytes]:
    filename = str(header.get("filename") or "file")
    content_type = header.get("content_type")
    try:
        return document_frame(parse(data, filename, content_type if isinstance(content_type, str) else None, limits))
    except ParseRejected as rejection:
        return rejection_frame(rejection), b""
    except MemoryError:
        return rejection_frame(
            ParseRejected(
                "oversized", f"{filename!r} needs more memory than a parse may use; split it into smaller files."
            )
        ), b""
    except Exception as error:  # noqa: BLE001  (whatever a parser stumbles over is about this file, and the next is waiting)
        return rejection_frame(
            ParseRejected(
                "broken", f"{filename!r} cannot be understood ({type(error).__name__}: {error}); save it again."
            )
        ), b""


def _rss_bytes() -> int:
    try:
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    except OSError:
        # Elsewhere the peak has to do; macOS counts it in bytes.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
