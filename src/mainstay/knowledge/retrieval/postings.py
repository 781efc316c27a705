"""The postings of a version, as the lexical index keeps them: packed into 64-bit integers, in blocks of one term."""

from collections.abc import Sequence
from dataclasses import dataclass

from mainstay.knowledge.retrieval.languages import detect_language
from mainstay.knowledge.retrieval.terms import ChunkTerms, chunk_terms

# With the rest of its row, a full block fits on a page of 8 KiB.
BLOCK_POSTINGS_MAX = 960
_SHORT_MAX = 0xFFFF


@dataclass(frozen=True)
class AnalysedChunks:
    """The terms of the chunks of one version, and the language of each."""

    chunks: Sequence[ChunkTerms]
    languages: Sequence[str]

    @property
    def term_count(self) -> int:
        """The lengths of all chunks together."""
        return sum(chunk.length for chunk in self.chunks)


@dataclass(frozen=True)
class PostingBlocks:
    """Blocks as columns: block i holds `postings[firsts[i] - 1 : lasts[i]]` of `terms[i]`; SQL counts from 1."""

    terms: list[str]
    block_nos: list[int]
    firsts: list[int]
    lasts: list[int]
    postings: list[int]


def analyse(texts: Sequence[str]) -> AnalysedChunks:
    """Return the terms of each text; one that does not show its language is taken to be in that of the whole."""
    common = detect_language("\n".join(text[:200] for text in texts))
    languages = [detect_language(text, common) for text in texts]
    chunks = [chunk_terms(text, language) for text, language in zip(texts, languages, strict=True)]
    return AnalysedChunks(chunks, languages)


def pack(chunks: Sequence[ChunkTerms], chunk_no_first: int) -> PostingBlocks:
    """Return the postings of chunks numbered from `chunk_no_first`, by term.

    A posting is chunk number << 32 | term frequency << 16 | chunk length; the last two stop at 65,535.
    """
    by_term: dict[str, list[int]] = {}
    for number, chunk in enumerate(chunks, start=chunk_no_first):
        base = number << 32 | min(chunk.length, _SHORT_MAX)
        for term, frequency in chunk.frequencies.items():
            posting = base | min(frequency, _SHORT_MAX) << 16
            known = by_term.get(term)
            if known is None:
                by_term[term] = [posting]
            else:
                known.append(posting)
    blocks = PostingBlocks([], [], [], [], [])
    # In the order of the index, so that its pages are filled one after the other.
    for term in sorted(by_term):
        _add_blocks(blocks, term, by_term[term])
    return blocks


def _add_blocks(blocks: PostingBlocks, term: str, postings: list[int]) -> None:
    for block_no, start in enumerate(range(0, len(postings), BLOCK_POSTINGS_MAX)):
        block = postings[start : start + BLOCK_POSTINGS_MAX]
        blocks.terms.append(term)
        blocks.block_nos.append(block_no)
        blocks.firsts.append(len(blocks.postings) + 1)
        blocks.postings.extend(block)
        blocks.lasts.append(len(blocks.postings))
