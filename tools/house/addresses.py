"""The repository names no machine it was written on and no registry it was installed from."""

import json
import re
from collections.abc import Iterator

from tools.house.tree import Finding, Tree

# Parts in brackets, so that the patterns are not their own findings.
_FOLDER_OF_A_MACHINE = re.compile(r"(?<![\w.~)}/-])/(?:roo[t]|wor[k]|hom[e]/\w+|User[s]/\w+)/")
_REGISTRY = re.compile(r"pyp[i]\.org|pythonhoste[d]\.org|registry\.npmj[s]\.org|(?<!emit-)\binde[x]-url\b")
_PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[a-z0-9,._-]+\])?==\S+")
REQUIREMENTS = "requirements/"


def machine_folder(tree: Tree) -> Iterator[Finding]:
    """A path of one machine works on no other."""
    for source in tree.sources.values():
        for number, line in enumerate(source.lines, 1):
            if match := _FOLDER_OF_A_MACHINE.search(line):
                yield Finding(
                    source.path,
                    number,
                    "machine_folder",
                    f"names {match[0]}…, a folder of one machine: make it relative",
                )


def foreign_word(tree: Tree) -> Iterator[Finding]:
    """The tools of one machine mean nothing on another; which words those are, its own `foreign-words` says."""
    for source in tree.sources.values():
        for number, line in enumerate(source.lines, 1):
            for word in tree.foreign_words:
                if word in line:
                    yield Finding(
                        source.path, number, "foreign_word", f"says '{word}', a word of one machine: leave it out"
                    )


def registry_address(tree: Tree) -> Iterator[Finding]:
    """Where packages come from is the machine's choice."""
    for source in tree.sources.values():
        for number, line in enumerate(source.lines, 1):
            if match := _REGISTRY.search(line):
                yield Finding(
                    source.path, number, "registry_address", f"names a registry ({match[0]}): leave it to the machine"
                )


def pinned(tree: Tree) -> Iterator[Finding]:
    """Every requirement has one version and at least one hash."""
    for source in tree.under(REQUIREMENTS, suffix=".txt"):
        for number, entry in _entries(source.lines):
            head = entry.split(";")[0].split()[0]
            if not _PIN.fullmatch(head):
                yield Finding(
                    source.path, number, "pinned", f"'{head}' has no exact version: compile it with `make lock`"
                )
            elif "--hash=sha256:" not in entry:
                yield Finding(source.path, number, "pinned", f"'{head}' has no hash: compile it with `make lock`")


def locked_without_addresses(tree: Tree) -> Iterator[Finding]:
    """A lock file of npm keeps the hashes and not where they were fetched."""
    for source in tree.under("", suffix="package-lock.json"):
        packages = json.loads(source.text).get("packages", {})
        for name, entry in packages.items():
            if "resolved" in entry:
                yield Finding(source.path, 1, "locked_without_addresses", f"'{name}' has a resolved address: strip it")


def _entries(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Yield the first line's number and the joined text of each requirement; comments are left out."""
    started, parts = 0, list[str]()
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if not line[0].isspace() and parts:
            yield started, " ".join(parts)
            parts = []
        started = started if parts else number
        parts.append(text.removesuffix("\\").strip())
    if parts:
        yield started, " ".join(parts)
