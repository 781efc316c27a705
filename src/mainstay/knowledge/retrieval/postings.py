"""The postings of a segment, as the lexical index keeps them: packed into 64-bit integers, in blocks of a page.

A row per posting would take 160 bytes for eight, and a row per term of each version would cost an ingest thirty rows
a chunk. So the terms of a segment are spread over buckets by the first bits of their keys, and a bucket is a row, or
several where it holds a frequent term. What is written here is read by the query `search_hybrid` and by `unpack`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mainstay.knowledge.retrieval.languages import DEFAULT_LANGUAGE
from mainstay.knowledge.retrieval.terms import ChunkTerms, chunk_terms, language_of, tokens_of

KEY_BITS = 63
# What keys, bounds and postings of a block may take, so that its row fits on a page of 8 KiB with the rest of it.
BLOCK_BYTES_MAX = 7_840
# Buckets are made for so much on average: most then fit into one block.
_BUCKET_BYTES = 4_000
_KEY_BYTES = 12
_POSTING_BYTES = 8
_SHORT_MAX = 0xFFFF
_KEYS_CACHED_MAX = 200_000
_HEADER_BYTES = 20

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class AnalysedChunks:
    """The terms of the chunks of one version, and the language of each."""

    chunks: Sequence[ChunkTerms]
    languages: Sequence[str]


@dataclass(frozen=True)
class Postings:
    """Postings with the keys of their terms, one beside the other, in any order.

    A posting is chunk number << 32 | term frequency << 16 | chunk length; the last two stop at 65,535.
    """

    keys: Integers
    postings: Integers


@dataclass(frozen=True)
class Block:
    """A row of the index: the postings of keys[i] are postings[bounds[i] : bounds[i + 1] - 1], in SQL (from 1)."""

    bucket_no: int
    block_no: int
    keys: Integers
    bounds: Integers
    postings: Integers


# The number of bits of a key that choose its bucket, and the blocks in the order of the index.
Packed = tuple[int, Sequence[Block]]


def analyse(texts: Sequence[str]) -> AnalysedChunks:
    """Return the terms of each text; one that does not show its language is taken to be in that of most others."""
    tokens = [tokens_of(text) for text in texts]
    shown = [language_of(one) for one in tokens]
    common, _ = Counter(code for code in shown if code).most_common(1)[0] if any(shown) else (DEFAULT_LANGUAGE, 0)
    languages = [code or common for code in shown]
    chunks = [chunk_terms(one, language) for one, language in zip(tokens, languages, strict=True)]
    return AnalysedChunks(chunks, languages)


class _Keys(dict[str, int]):
    """The keys of the terms seen lately; a term that is not among them gets its key and joins them."""

    def __missing__(self, term: str) -> int:
        if len(self) >= _KEYS_CACHED_MAX:
            self.clear()
        key = int.from_bytes(blake2b(term.encode(), digest_size=8).digest(), "big") >> 1
        self[term] = key
        return key


_keys = _Keys()


def term_key(term: str) -> int:
    """Return the 63-bit key of a term; among ten million terms the chance that any two share one is 0.000005."""
    return _keys[term]


def number(chunks: Sequence[ChunkTerms], chunk_no_first: int) -> Postings:
    """Return the postings of chunks that are numbered from `chunk_no_first`."""
    keys: list[int] = []
    frequencies: list[int] = []
    for chunk in chunks:
        keys.extend(map(_keys.__getitem__, chunk.frequencies))
        frequencies.extend(chunk.frequencies.values())
    bases = [no << 32 | min(chunk.length, _SHORT_MAX) for no, chunk in enumerate(chunks, start=chunk_no_first)]
    repeated = np.repeat(np.array(bases, dtype=np.int64), [len(chunk.frequencies) for chunk in chunks])
    counts = np.minimum(np.array(frequencies, dtype=np.int64), _SHORT_MAX)
    return Postings(np.array(keys, dtype=np.int64), repeated | counts << 16)


def without(postings: Postings, chunk_nos: Sequence[int]) -> Postings:
    """Return the postings that are of none of these chunks."""
    if not chunk_nos:
        return postings
    kept = ~np.isin(postings.postings >> 32, np.array(chunk_nos, dtype=np.int64))
    return Postings(postings.keys[kept], postings.postings[kept])


def pack(postings: Postings) -> Packed:
    """Return postings as the blocks of a segment."""
    order = np.lexsort((postings.postings, postings.keys))
    ordered = postings.keys[order]
    first = np.flatnonzero(np.diff(ordered, prepend=-1))
    keys, packed = ordered[first], postings.postings[order]
    size = _KEY_BYTES * len(keys) + _POSTING_BYTES * len(packed)
    bits = max(0, (size // _BUCKET_BYTES).bit_length())
    buckets, starts = np.unique(keys >> (KEY_BITS - bits), return_index=True)
    bounds = np.append(first, len(packed))
    spans = pairwise([*starts.tolist(), len(keys)])
    blocks: list[Block] = []
    for bucket_no, (start, end) in zip(buckets.tolist(), spans, strict=True):
        blocks += _pack_bucket(bucket_no, keys[start:end], bounds[start : end + 1], packed)
    return bits, blocks


def _pack_bucket(bucket_no: int, keys: Integers, bounds: Integers, packed: Integers) -> Iterator[Block]:
    """Yield the blocks of one bucket, mostly one; a term that does not fit into what is left goes on in the next."""
    start, end = bounds[0], bounds[-1]
    if _KEY_BYTES * len(keys) + _POSTING_BYTES * (end - start) <= BLOCK_BYTES_MAX:
        yield Block(bucket_no, 0, keys, bounds - start + 1, packed[start:end])
        return
    block_no, free, index_first, edges = 0, BLOCK_BYTES_MAX, 0, [int(start)]
    for index, term_end in enumerate(bounds[1:].tolist()):
        while edges[-1] < term_end:
            if free < _KEY_BYTES + _POSTING_BYTES:
                yield _block(bucket_no, block_no, keys[index_first:], edges, packed)
                block_no, free, index_first, edges = block_no + 1, BLOCK_BYTES_MAX, index, edges[-1:]
            taken = min(term_end - edges[-1], (free - _KEY_BYTES) // _POSTING_BYTES)
            free -= _KEY_BYTES + taken * _POSTING_BYTES
            edges.append(edges[-1] + taken)
    yield _block(bucket_no, block_no, keys[index_first:], edges, packed)


def _block(bucket_no: int, block_no: int, keys: Integers, edges: Sequence[int], packed: Integers) -> Block:
    """Return the block of the first terms of `keys`, whose postings lie between these edges."""
    bounds = np.array(edges, dtype=np.int64) - edges[0] + 1
    return Block(bucket_no, block_no, keys[: len(edges) - 1], bounds, packed[edges[0] : edges[-1]])


def unpack(rows: Sequence[tuple[bytes, bytes, bytes]]) -> Postings:
    """Return the postings of blocks, each given as what PostgreSQL's `array_send` makes of its three arrays."""
    keys: list[Integers] = []
    postings: list[Integers] = []
    for row_keys, row_bounds, row_postings in rows:
        bounds = _from_binary(row_bounds, ">i4")
        keys.append(np.repeat(_from_binary(row_keys, ">i8"), np.diff(bounds)))
        postings.append(_from_binary(row_postings, ">i8"))
    return Postings(np.concatenate(keys), np.concatenate(postings)) if keys else number((), 0)


def _from_binary(array: bytes, element: str) -> Integers:
    """Return the elements of a one-dimensional array without nulls: after a header, each has its length before it."""
    layout = np.dtype([("length", ">i4"), ("value", element)])
    return np.frombuffer(array, dtype=layout, offset=_HEADER_BYTES)["value"].astype(np.int64)
