"""Which segments of the lexical index to put together: a log-structured merge, as Lucene's LogMergePolicy does it.

Each version adds a segment, and a query reads its terms in every segment. Neighbours of about the same size are merged
as soon as there are FAN_OUT of them, so a posting is rewritten once per tier of size and a store has few segments. A
segment of which much is retired is rewritten alone.
"""

from collections.abc import Iterator, Sequence

from mainstay.knowledge.retrieval.models import Segment

FAN_OUT = 8
# A merge of so many chunks takes about three seconds; larger segments would gain a query little.
SEGMENT_CHUNKS_MAX = 32_768
RETIRED_SHARE_MAX = 0.2
_TIER_CHUNKS_MIN = 64


def next_merge(segments: Sequence[Segment]) -> Sequence[Segment]:
    """Return the neighbouring segments that should become one now, or none; both in the order of their chunks."""
    for segment in segments:
        if segment.retired_count > RETIRED_SHARE_MAX * segment.chunk_count:
            return (segment,)
    for group in _groups(segments):
        run = [*_fitting(group[:FAN_OUT])]
        if len(run) == FAN_OUT or 1 < len(run) < len(group[:FAN_OUT]):
            return run
    return ()


def _groups(segments: Sequence[Segment]) -> Iterator[Sequence[Segment]]:
    """Yield neighbours of one tier, with smaller ones that stand between them; full segments part the groups."""
    rest: list[Segment] = []
    for segment in segments:
        if segment.chunk_count > SEGMENT_CHUNKS_MAX // 2:
            yield from _groups_by_tier(rest)
            rest = []
        else:
            rest.append(segment)
    yield from _groups_by_tier(rest)


def _groups_by_tier(segments: Sequence[Segment]) -> Iterator[Sequence[Segment]]:
    tiers = [_tier(segment) for segment in segments]
    start = 0
    while start < len(segments):
        top = max(tiers[start:])
        end = max(index for index in range(start, len(tiers)) if tiers[index] == top) + 1
        yield segments[start:end]
        start = end


def _fitting(segments: Sequence[Segment]) -> Iterator[Segment]:
    """Yield the first segments that make no more than SEGMENT_CHUNKS_MAX together."""
    total = 0
    for segment in segments:
        total += segment.chunk_count
        if total > SEGMENT_CHUNKS_MAX:
            return
        yield segment


def _tier(segment: Segment) -> int:
    """Return 0 below _TIER_CHUNKS_MIN chunks, then one more for each factor of FAN_OUT."""
    tier, chunks = 0, segment.chunk_count // _TIER_CHUNKS_MIN
    while chunks:
        tier, chunks = tier + 1, chunks // FAN_OUT
    return tier
