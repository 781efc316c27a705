"""What a stranger looks for first is there."""

from collections.abc import Iterator

from tools.house.tree import Finding, Tree

PAPERS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE")


def paper_missing(tree: Tree) -> Iterator[Finding]:
    """The papers of the repository exist and say something."""
    for name in PAPERS:
        source = tree.sources.get(name)
        if source is None or not source.text.strip():
            yield Finding(name, 1, "paper_missing", "is missing or empty: write it")
