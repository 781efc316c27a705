"""What is packed is what is unpacked, every term is found in its bucket, and every block fits on its page."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mainstay.knowledge.retrieval.postings import (
    BLOCK_BYTES_MAX,
    KEY_BITS,
    Postings,
    analyse,
    number,
    pack,
    term_key,
    without,
)
from mainstay.knowledge.retrieval.terms import ChunkTerms

KEY_OF_TIDE = 7_757_170_626_197_608_819

pairs = st.lists(st.tuples(st.integers(0, 2**KEY_BITS - 1), st.integers(0, 2**62)), max_size=400, unique=True)


def listed(postings: Postings) -> list[tuple[int, int]]:
    return sorted(zip(postings.keys.tolist(), postings.postings.tolist(), strict=True))


def made(some: list[tuple[int, int]]) -> Postings:
    return Postings(np.array([key for key, _ in some], np.int64), np.array([posting for _, posting in some], np.int64))


def read_back(postings: Postings) -> list[tuple[int, int]]:
    """Read blocks as the query does: by bucket and key."""
    bits, blocks = pack(postings)
    found: list[tuple[int, int]] = []
    for block in blocks:
        assert 12 * len(block.keys) + 8 * len(block.postings) <= BLOCK_BYTES_MAX
        assert len(block.bounds) == len(block.keys) + 1
        assert len(set(block.keys)) == len(block.keys)
        for index, key in enumerate(block.keys):
            assert key >> (KEY_BITS - bits) == block.bucket_no
            found += [
                (key, posting) for posting in block.postings[block.bounds[index] - 1 : block.bounds[index + 1] - 1]
            ]
    names = [(block.bucket_no, block.block_no) for block in blocks]
    assert len(set(names)) == len(names)
    return sorted(found)


@given(pairs)
def test_blocks_hold_every_posting_once(some: list[tuple[int, int]]) -> None:
    assert read_back(made(some)) == sorted(some)


@given(st.lists(st.integers(1, 3_000), min_size=1, max_size=12), st.integers(0, 2**32))
def test_blocks_of_frequent_terms_hold_every_posting_once(counts: list[int], seed: int) -> None:
    keys = np.random.default_rng(seed).integers(0, 2**KEY_BITS - 1, size=len(counts))
    some = [(int(key), posting) for key, count in zip(keys, counts, strict=True) for posting in range(count)]
    assert read_back(made(some)) == sorted(some)


def test_number_packs_chunk_frequency_and_length() -> None:
    postings = number([ChunkTerms({"tide": 3}, 7), ChunkTerms({"tide": 1, "moon": 70_000}, 90_000)], 41)
    assert listed(postings) == sorted(
        [
            (term_key("tide"), 41 << 32 | 3 << 16 | 7),
            (term_key("tide"), 42 << 32 | 1 << 16 | 65_535),
            (term_key("moon"), 42 << 32 | 65_535 << 16 | 65_535),
        ]
    )


def test_without_drops_the_postings_of_chunks() -> None:
    postings = number([ChunkTerms({"tide": 1}, 1)] * 3, 1)
    assert [posting >> 32 for _, posting in listed(without(postings, [2]))] == [1, 3]
    assert without(postings, []) is postings


def test_analyse_takes_the_language_of_most_chunks_where_one_does_not_say() -> None:
    german = "Der Bericht wurde im Frühjahr veröffentlicht und handelt vom Stand der Technik."
    analysed = analyse([german, "Geschwindigkeiten", german, "It is about the state of the art and of the law."])
    assert analysed.languages == ["de", "de", "de", "en"]
    assert analysed.chunks[1].frequencies == {"geschwind": 1}
    assert analyse(["kubectl"]).languages == ["en"]


def test_nothing_makes_no_blocks() -> None:
    assert pack(number((), 1)) == (0, [])


def test_term_keys_are_63_bits_and_never_change() -> None:
    # Indexes on disk hold them.
    assert term_key("tide") == KEY_OF_TIDE
    assert 0 <= KEY_OF_TIDE < 2**KEY_BITS
