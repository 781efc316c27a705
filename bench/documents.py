"""The documents that every system ingests: a fixed sample of real files, or our own samples where those are absent."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mainstay.samples import sample_files

DATA = Path(os.environ.get("MAINSTAY_DATA", Path(__file__).parents[2] / "shared" / "data"))
FORMATS = ("md", "html", "pdf", "txt")
# Every reader takes these; scans and passwords are the business of tests, and the long reports stand for themselves.
_BYTES_MAX = 450_000
_LONG_REPORTS = ("2023 Q2 AAPL.pdf",)
_WITHOUT_TEXT = ("imagemagick-", "cmyk-image", "grayscale-image")
# pypdf makes lone surrogates of these PDFs, at which LlamaIndex stops, and its HTML reader finds no body in the other.
_BREAKS_A_PEER = ("skipped_1page.pdf", "skipped_2pages.pdf", "example_05.html")


@dataclass(frozen=True)
class Sample:
    """Files to be ingested, and a sentence that says where they are from."""

    files: Sequence[Path]
    origin: str

    def first(self, count: int) -> "Sample":
        """Return the sample with every n-th file, about `count` of them."""
        step = max(1, len(self.files) // count)
        return Sample(self.files[::step][:count], self.origin)


def sample() -> Sample:
    """Return the files of the data folder where it is there, else the samples of the package."""
    found = list(_chosen()) if (DATA / "documents" / "manifest.jsonl").is_file() else []
    if found:
        return Sample(found, _described(found, "the shared data folder"))
    own = [path for path in sample_files() if path.suffix[1:] in FORMATS]
    return Sample(own, _described(own, "the samples of the package, as the shared data folder is absent"))


def _chosen() -> Iterator[Path]:
    folder = DATA / "documents"
    for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        path = folder / row["path"]
        is_plain = not row.get("tags") and row["bytes"] <= _BYTES_MAX
        if path.name.startswith((*_WITHOUT_TEXT, *_BREAKS_A_PEER)):
            continue
        if path.suffix[1:] in FORMATS and (is_plain or path.name in _LONG_REPORTS):
            yield path


def _described(files: Sequence[Path], place: str) -> str:
    counts = {form: sum(path.suffix == f".{form}" for path in files) for form in FORMATS}
    kinds = ", ".join(f"{count} {form}" for form, count in counts.items() if count)
    size = sum(path.stat().st_size for path in files) / 1e6
    return f"{len(files)} files ({kinds}; {size:.1f} MB) of {place}"
