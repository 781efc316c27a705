"""The sample documents that a first start loads: a small invented company, Brindlemere Weather."""

from pathlib import Path

SAMPLES = Path(__file__).parent / "brindlemere"


def sample_files() -> tuple[Path, ...]:
    """Every sample document, sorted by path; `path.relative_to(SAMPLES)` is its external id."""
    return tuple(sorted(path for path in SAMPLES.rglob("*") if path.is_file()))
