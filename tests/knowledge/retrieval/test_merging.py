"""A store has few segments, however its versions come, and no posting is rewritten often."""

import math

from hypothesis import given
from hypothesis import strategies as st

from mainstay.knowledge.retrieval.merging import FAN_OUT, SEGMENT_CHUNKS_MAX, next_merge
from mainstay.knowledge.retrieval.models import Segment


def segments_of(sizes: list[int]) -> list[Segment]:
    segments: list[Segment] = []
    number = 1
    for size in sizes:
        segments.append(Segment(number, number + size - 1, size, 0))
        number += size
    return segments


def merged(segments: list[Segment], due: list[Segment]) -> list[Segment]:
    at = segments.index(due[0])
    assert segments[at : at + len(due)] == due, "only neighbours become one"
    whole = Segment(
        due[0].chunk_no_first,
        due[-1].chunk_no_last,
        sum(segment.chunk_count - segment.retired_count for segment in due),
        0,
    )
    return [*segments[:at], whole, *segments[at + len(due) :]]


@given(st.lists(st.integers(1, 3_000), min_size=1, max_size=300))
def test_segments_stay_few_and_postings_are_rewritten_seldom(sizes: list[int]) -> None:
    segments: list[Segment] = []
    rewritten = 0
    for arrived in segments_of(sizes):
        segments.append(arrived)
        while due := list(next_merge(segments)):
            assert sum(segment.chunk_count for segment in due) <= SEGMENT_CHUNKS_MAX
            rewritten += sum(segment.chunk_count for segment in due)
            segments = merged(segments, due)
    total = sum(sizes)
    assert sum(segment.chunk_count for segment in segments) == total
    full = total // (SEGMENT_CHUNKS_MAX // 2)
    tiers = 2 + max(0, math.ceil(math.log(max(1, min(total, SEGMENT_CHUNKS_MAX) / 64), FAN_OUT)))
    assert len(segments) <= full + tiers * FAN_OUT
    assert rewritten <= total * (tiers + 3)


def test_segment_of_which_much_is_retired_is_rewritten_alone() -> None:
    fresh, stale = Segment(1, 1_000, 1_000, 100), Segment(1_001, 2_000, 1_000, 500)
    assert list(next_merge([fresh, stale])) == [stale]
    assert list(next_merge([fresh])) == []


def test_segments_above_the_limit_are_left_alone() -> None:
    assert list(next_merge(segments_of([SEGMENT_CHUNKS_MAX * 2] * 20))) == []
