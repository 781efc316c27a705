"""Parses files in child processes: whatever a file does to its child, the pool and the other files go on."""

import asyncio
import contextlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Self

from mainstay.kernel.errors import Unavailable
from mainstay.knowledge.documents.parsed import ParsedDocument, ParseRejected
from mainstay.knowledge.documents.parsers.limits import MIB, ParseLimits
from mainstay.knowledge.documents.parsing_child import ChildDied, ChildLimits, ParserChild
from mainstay.platform.postgres import outside_transaction

_FILENAME_CHARS_MAX = 255


@dataclass(frozen=True, slots=True)
class ParserLimits:
    """The limits of a pool: what a document may be, what a child may use, and how long a child is kept."""

    document: ParseLimits = field(default_factory=ParseLimits)
    child: ChildLimits = field(default_factory=ChildLimits)
    idle_s: float = 15.0
    files_per_child_max: int = 500
    # Native libraries keep what they once needed; past this a child is replaced after its file.
    child_rss_bytes_max: int = 300 * MIB


class ParserPool:
    """At most `children_max` warm children; each parses one file at a time.

    Use it as an async context manager. A child that dies rejects its own file only. Children leave after
    `idle_s` without work, so that an idle pool costs nothing.
    """

    def __init__(self, limits: ParserLimits | None = None, children_max: int = 2) -> None:
        self._limits = limits or ParserLimits()
        self._slots = asyncio.Semaphore(children_max)
        self._threads = ThreadPoolExecutor(children_max, thread_name_prefix="parser")
        # The child that worked last is taken first, so that the others become idle and leave.
        self._idle: deque[tuple[ParserChild, asyncio.TimerHandle]] = deque()
        self._children: set[ParserChild] = set()
        self._closing = False
        # Whether the kernel keeps the children off the network; None until the first one has started.
        self.network_denied: bool | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        for _, timer in self._idle:
            timer.cancel()
        self._idle.clear()
        for child in tuple(self._children):
            self._retire(child)
        await asyncio.to_thread(self._threads.shutdown)

    @property
    def child_pids(self) -> tuple[int, ...]:
        """The process ids of the children that are alive now."""
        return tuple(child.pid for child in self._children)

    async def parse(self, data: bytes, *, filename: str, content_type: str | None = None) -> ParsedDocument:
        """Return the document in `data`.

        `filename` and `content_type` are the uploader's words. Raises ParseRejected with a code and a sentence for
        whatever cannot be read, including files that kill, stall or starve their child; Unavailable where no child
        can be started. Waits for a free child as long as it takes; a parse itself ends within `child.wall_s`.
        """
        outside_transaction("parse")
        if len(data) > self._limits.document.bytes_max:
            limit = self._limits.document.bytes_max / MIB
            raise ParseRejected(
                "oversized",
                f"{filename!r} has {len(data) / MIB:,.1f} MiB, more than {limit:,.0f}; split it into smaller files.",
            )
        # A name goes into sentences and into the frame; its end has the extension.
        filename = filename[-_FILENAME_CHARS_MAX:]
        async with self._slots:
            warm = self._take_idle()
            if warm is not None:
                try:
                    return await self._run(warm, data, filename, content_type)
                except ChildDied as death:
                    # A file before this one may have harmed the child. Only a fresh one tells whose fault it is.
                    if death.is_timeout:
                        raise death.rejection(filename) from None
            fresh = await self._start()
            try:
                return await self._run(fresh, data, filename, content_type)
            except ChildDied as death:
                self._refuse_if_closing()
                raise death.rejection(filename) from None

    async def _start(self) -> ParserChild:
        self._refuse_if_closing()
        make = partial(ParserChild, self._limits.document, self._limits.child)
        work = asyncio.get_running_loop().run_in_executor(self._threads, make)
        try:
            child = await asyncio.shield(work)
        except asyncio.CancelledError:
            with contextlib.suppress(ChildDied):
                (await work).close()
            raise
        except ChildDied as death:
            # No file has been read yet, so none is to blame.
            sentence = f"A parser process did not start ({death.how}); try again, and look at its limits."
            raise Unavailable(sentence) from None
        if self._closing:
            child.close()
        self._refuse_if_closing()
        self._children.add(child)
        self.network_denied = child.network_denied
        return child

    def _refuse_if_closing(self) -> None:
        if self._closing:
            raise Unavailable("The parsers are being shut down; the file was not read, so try it again.")

    async def _run(self, child: ParserChild, data: bytes, filename: str, content_type: str | None) -> ParsedDocument:
        work = asyncio.get_running_loop().run_in_executor(self._threads, child.parse, data, filename, content_type)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            # The thread returns as soon as its child is gone.
            child.kill()
            with contextlib.suppress(ChildDied, ParseRejected):
                await work
            raise
        finally:
            self._put_back(child)

    def _take_idle(self) -> ParserChild | None:
        while self._idle:
            child, timer = self._idle.pop()
            timer.cancel()
            if child.is_alive:
                return child
            self._retire(child)
        return None

    def _put_back(self, child: ParserChild) -> None:
        worn = child.files >= self._limits.files_per_child_max or child.rss_bytes > self._limits.child_rss_bytes_max
        if worn or not child.is_alive:
            self._retire(child)
            return
        timer = asyncio.get_running_loop().call_later(self._limits.idle_s, self._leave, child)
        self._idle.append((child, timer))

    def _leave(self, child: ParserChild) -> None:
        self._idle = deque(entry for entry in self._idle if entry[0] is not child)
        self._retire(child)

    def _retire(self, child: ParserChild) -> None:
        self._children.discard(child)
        child.close()
