"""The embedding model as the gateway sees it."""

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mainstay.control.gateway.models import Embeddings, Vectors
from mainstay.control.gateway.providers.minilm.cache import built_graph
from mainstay.control.gateway.providers.minilm.runtime import Session, WordPieces
from mainstay.kernel.errors import Invalid, Unavailable

TEXTS_MAX = 2048  # As in OpenAI's embeddings endpoint.
TEXT_CHARS_MAX = 65_536
INPUT_TOKENS_MAX = 256
EMBED_DEADLINE_S = 120.0
THREADS_MAX = 4

# One run of the graph takes about this many tokens (10 ms): more would not be faster, and a query would wait longer.
_RUN_TOKENS = 512
_TOKENIZE_TEXTS = 64

Job = TypeVar("Job")


class MiniLm:
    """MiniLM-L6-v2 with int8 weights. Loading blocks: about 0.3 s, and a few seconds when the graph is built first."""

    name = "minilm-l6-v2-int8"
    provider = "local"
    dimensions = 384
    input_tokens_max = INPUT_TOKENS_MAX

    def __init__(self, models: Path, *, threads: int | None = None, deadline_s: float = EMBED_DEADLINE_S) -> None:
        """Load the model, which is kept in the folder `models`; raises ModelUnusable with what to do."""
        self._tokenizer = WordPieces()
        self._session = Session(built_graph(models, self.name))
        self._threads = threads or min(THREADS_MAX, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="minilm")
        self._deadline_s = deadline_s

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return one vector per text, in order. A text's first 256 tokens are read, the special two included.

        The same text gets the same vector whatever else is in the call. Raises Invalid where a limit is passed or a
        text has nothing in it, and Unavailable when the deadline passes or the runtime fails.
        """
        _require_embeddable(texts)
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._embed(texts)
        except TimeoutError as error:
            raise Unavailable(
                f"The embedding of {len(texts)} texts took longer than {self._deadline_s:g} s:"
                " the machine is busy; send fewer, or try again."
            ) from error
        except ExceptionGroup as failures:
            raise Unavailable(
                f"The embedding model failed: {failures.exceptions[0]}. Start the process again."
            ) from failures

    def count_tokens(self, text: str) -> int:
        """Return the tokens of the whole text, the special two included; `embed` reads the first 256."""
        return len(self._tokenizer.encode([text])[0])

    def close(self) -> None:
        """Let the threads end; calls that are waiting fail."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _embed(self, texts: Sequence[str]) -> Embeddings:
        token_ids = [np.empty(0, dtype=np.int64)] * len(texts)
        vectors: Vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)

        def tokenize(numbers: range) -> None:
            for number, ids in zip(numbers, self._tokenizer.encode([texts[number] for number in numbers]), strict=True):
                token_ids[number] = _cut(ids)

        def run(numbers: list[int]) -> None:
            vectors[numbers] = self._session.run(np.stack([token_ids[number] for number in numbers]))

        slices = (
            range(start, min(start + _TOKENIZE_TEXTS, len(texts))) for start in range(0, len(texts), _TOKENIZE_TEXTS)
        )
        await self._spread(tokenize, slices)
        await self._spread(run, runs_of([len(ids) for ids in token_ids]))
        return Embeddings(vectors, sum(map(len, token_ids)))

    async def _spread(self, work: Callable[[Job], None], jobs: Iterable[Job]) -> None:
        """Do all jobs in the pool.

        A call has at most one job per thread in the pool at a time, so that a query comes next after those of a long
        call, not after all of it, and a call that is given up leaves nothing behind.
        """
        loop = asyncio.get_running_loop()
        waiting = iter(jobs)

        async def lane() -> None:
            for job in waiting:
                await loop.run_in_executor(self._pool, work, job)

        async with asyncio.TaskGroup() as group:
            for _ in range(self._threads):
                group.create_task(lane())


def runs_of(lengths: Sequence[int]) -> list[list[int]]:
    """Return the numbers of the texts that run together: of one length, since there is no padding, and not too many."""
    runs: list[list[int]] = []
    last = 0
    for number in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        if runs and lengths[number] == last and (len(runs[-1]) + 1) * last <= _RUN_TOKENS:
            runs[-1].append(number)
        else:
            runs.append([number])
        last = lengths[number]
    return runs


def _cut(token_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Keep the last token, which marks the end, as in training."""
    if len(token_ids) <= INPUT_TOKENS_MAX:
        return token_ids
    return np.append(token_ids[: INPUT_TOKENS_MAX - 1], token_ids[-1])


def _require_embeddable(texts: Sequence[str]) -> None:
    if not 0 < len(texts) <= TEXTS_MAX:
        raise Invalid(f"A call embeds 1 to {TEXTS_MAX} texts, not {len(texts)}: split them over calls.", param="input")
    for number, text in enumerate(texts):
        complaint = _complaint(text)
        if complaint:
            raise Invalid(f"Text {number} (counted from 0) {complaint}.", param="input")


def _complaint(text: str) -> str | None:
    if not text.strip():
        return "is empty: leave it out"
    if len(text) > TEXT_CHARS_MAX:
        return f"has {len(text)} characters, more than {TEXT_CHARS_MAX}: split it"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"has half of a surrogate pair at character {error.start}, which is no text: remove it"
    return None
