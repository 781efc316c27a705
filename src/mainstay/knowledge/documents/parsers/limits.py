"""The named limits of one parse, enforced inside the child; the parent guards time and memory around it."""

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """How much of a file is read. Each limit that is hit rejects the file as `oversized`, with the value."""

    bytes_max: int = 50 * MIB
    pages_max: int = 5_000
    text_bytes_max: int = 64 * MIB
    headings_max: int = 100_000
    archive_entries_max: int = 10_000
    archive_bytes_max: int = 512 * MIB
    archive_ratio_max: int = 100
    # A ratio says little about a small archive: 5 KiB of spaces in 40 bytes harm nobody.
    archive_ratio_from_bytes: int = 8 * MIB
    nesting_depth_max: int = 200
