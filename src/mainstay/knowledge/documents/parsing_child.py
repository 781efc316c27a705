"""One child process as its parent sees it: started, asked, watched and buried."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from mainstay.knowledge.documents.parsed import ParsedDocument, ParseRejected
from mainstay.knowledge.documents.parsers.confinement import Confinement
from mainstay.knowledge.documents.parsers.frames import Header, read_frame, read_outcome, write_frame
from mainstay.knowledge.documents.parsers.limits import MIB, ParseLimits

_MODULE = "mainstay.knowledge.documents.parsers.child"
_END_S = 5.0


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """What one child may use: memory in all, processor and wall time for each file, and the time to start."""

    address_space_bytes: int = 1536 * MIB
    temp_file_bytes: int = 256 * MIB
    cpu_s: int = 60
    wall_s: float = 120.0
    start_s: float = 30.0


class ChildDied(Exception):
    """The child ended, or was ended, before it answered."""

    def __init__(self, how: str, *, is_timeout: bool) -> None:
        super().__init__(how)
        self.how = how
        self.is_timeout = is_timeout

    def rejection(self, filename: str) -> ParseRejected:
        """Return the death as a sentence about the file that caused it."""
        if self.is_timeout:
            return ParseRejected(
                "timeout", f"{filename!r} {self.how}; split it into smaller files or save it in a simpler format."
            )
        return ParseRejected(
            "broken", f"{filename!r} stopped its parser ({self.how}); it is damaged or made to harm, so save it anew."
        )


class ParserChild:
    """A warm child; all methods but `kill` belong to one thread at a time, and `parse` blocks."""

    def __init__(self, document: ParseLimits, limits: ChildLimits) -> None:
        """Start the child and wait until it is confined. Raises ChildDied where it does not get so far."""
        self.files = 0
        self.rss_bytes = 0
        self._document = document
        self._limits = limits
        self._timed_out = False
        self._folder = Path(tempfile.mkdtemp(prefix="mainstay-parse-"))
        confinement = Confinement(limits.address_space_bytes, limits.cpu_s, limits.temp_file_bytes)
        given = json.dumps({"parse": asdict(document), "confinement": asdict(confinement)})
        self._process = subprocess.Popen(
            # -I: no variables, no user site, no current folder decide what the child imports.
            [sys.executable, "-I", "-m", _MODULE, given],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            env=_environment(self._folder),
            # Ctrl-C at a terminal is the parent's to handle: a file in work is not to be called broken for it.
            start_new_session=True,
        )
        self.pid = self._process.pid
        try:
            header, _ = self._within(limits.start_s, self._receive)
        except ChildDied:
            self.close()
            raise
        self.network_denied = header.get("network_denied") is True

    @property
    def is_alive(self) -> bool:
        """Say whether the process still runs."""
        return self._process.poll() is None

    def parse(self, data: bytes, filename: str, content_type: str | None) -> ParsedDocument:
        """Return the document in `data`; raises ParseRejected for the file's sake, ChildDied where no answer came."""
        self.files += 1
        request: Header = {"filename": filename, "content_type": content_type}

        def exchange() -> tuple[Header, bytes]:
            write_frame(cast("BinaryIO", self._process.stdin), request, data)
            return self._receive()

        header, body = self._within(self._limits.wall_s, exchange)
        rss = header.get("rss_bytes")
        self.rss_bytes = rss if isinstance(rss, int) else 0
        try:
            return read_outcome(header, body)
        except ValueError as error:
            self.kill()
            raise ChildDied(str(error), is_timeout=False) from None

    def kill(self) -> None:
        """End the process at once; safe from any thread."""
        self._process.kill()

    def close(self) -> None:
        """End the process and remove its folder."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            # What was still to be written has nobody left to read it.
            with contextlib.suppress(OSError):
                cast("IO[bytes]", pipe).close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            # A killed process that hangs in the kernel is the machine's trouble, not the pool's.
            self._process.wait(_END_S)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _receive(self) -> tuple[Header, bytes]:
        return read_frame(cast("BinaryIO", self._process.stdout), body_bytes_max=self._document.text_bytes_max)

    def _within(self, seconds: float, exchange: Callable[[], tuple[Header, bytes]]) -> tuple[Header, bytes]:
        self._timed_out = False
        timer = threading.Timer(seconds, self._time_out)
        timer.daemon = True
        timer.start()
        try:
            return exchange()
        except (EOFError, OSError, ValueError) as error:
            self.kill()
            raise self._death(seconds, error) from None
        finally:
            timer.cancel()

    def _time_out(self) -> None:
        self._timed_out = True
        self.kill()

    def _death(self, seconds: float, error: Exception) -> ChildDied:
        status = self._process.wait(_END_S)
        if self._timed_out:
            return ChildDied(f"was not read within {seconds:.0f} seconds", is_timeout=True)
        if status == -signal.SIGXCPU:
            return ChildDied(f"was not read within {self._limits.cpu_s} seconds of processor time", is_timeout=True)
        if isinstance(error, ValueError):
            return ChildDied(str(error), is_timeout=False)
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit code {status}"
        return ChildDied(how, is_timeout=False)


def _environment(folder: Path) -> dict[str, str]:
    """Return all that the child gets to know: no key, no address, no home but its own folder."""
    own = {name: str(folder) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")}
    # One thread each: the pool is the parallelism, and every thread reserves address space.
    threads = {"RAYON_NUM_THREADS": "1", "TOKIO_WORKER_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    return own | threads | {"LANG": "C.UTF-8", "PATH": ""}
