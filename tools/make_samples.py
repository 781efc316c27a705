"""Make the binary sample documents from their text sources; `--check` only compares.

The Markdown, HTML, CSV, mail and text samples are written by hand in `src/mainstay/samples/brindlemere`. The others
come from `tools/sample_sources`. Nobody needs to run this to use Mainstay: the results are committed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from sample_formats.blocks import parse_blocks
from sample_formats.docx import write_docx
from sample_formats.pdf import A4, A5, write_pdf
from sample_formats.pptx import write_pptx
from sample_formats.xlsx import parse_sheets, write_xlsx

TOOLS = Path(__file__).resolve().parent
SOURCES = TOOLS / "sample_sources"
SAMPLES = TOOLS.parent / "src/mainstay/samples/brindlemere"


def _booklet(source: str) -> bytes:
    return write_pdf(parse_blocks(source), A5)


def _letter(source: str) -> bytes:
    return write_pdf(parse_blocks(source), A4)


def _word(source: str) -> bytes:
    return write_docx(parse_blocks(source))


def _slides(source: str) -> bytes:
    return write_pptx(parse_blocks(source))


def _spare_parts(source: str) -> bytes:
    return write_xlsx(parse_sheets(source), "Spare parts")


MADE: dict[str, tuple[str, Callable[[str], bytes]]] = {
    "manuals/linnet-2-manual.pdf": ("linnet-2-manual.md", _booklet),
    "manuals/plover-4-installation.pdf": ("plover-4-installation.md", _booklet),
    "sales/estate-service-agreement.pdf": ("estate-service-agreement.md", _letter),
    "company/annual-review-2025.pdf": ("annual-review-2025.md", _booklet),
    "people/employee-handbook.docx": ("employee-handbook.md", _word),
    "people/contractor-policy.docx": ("contractor-policy.md", _word),
    "people/expenses-policy-uk.docx": ("expenses-policy-uk.md", _word),
    "people/expenses-policy-north-america.docx": ("expenses-policy-north-america.md", _word),
    "policies/data-processing-addendum.docx": ("data-processing-addendum.md", _word),
    "sales/partner-onboarding-2026.pptx": ("partner-onboarding-2026.md", _slides),
    "company/all-hands-2026-q1.pptx": ("all-hands-2026-q1.md", _slides),
    "parts/spare-parts.xlsx": ("spare-parts.tsv", _spare_parts),
}


def main(arguments: list[str]) -> int:
    """Write every made sample, or with `--check` name those whose bytes differ; returns the exit status."""
    stale: list[str] = []
    for place, (source, write) in MADE.items():
        made = write((SOURCES / source).read_text(encoding="utf-8"))
        target = SAMPLES / place
        if target.exists() and target.read_bytes() == made:
            continue
        stale.append(place)
        if arguments != ["--check"]:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(made)
    for place in stale:
        print(f"{'differs from its source' if arguments == ['--check'] else 'written'}: {place}")
    print(f"{len(MADE)} samples, {len(stale)} {'stale' if arguments == ['--check'] else 'written'}")
    return 1 if stale and arguments == ["--check"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
