"""Names say what a thing is; words that fit everything say nothing."""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from tools.house.tree import Finding, Tree

_EMPTY_WORDS = frozenset({"util", "utils", "helper", "helpers", "manager", "managers", "common", "misc"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def empty_name(tree: Tree) -> Iterator[Finding]:
    """No file, folder or class is called by a word that fits everything."""
    for source in tree.sources.values():
        parts = PurePosixPath(source.path).with_suffix("").parts
        for part in parts:
            if word := _empty_word(part):
                yield Finding(
                    source.path, 1, "empty_name", f"'{part}' says nothing with '{word}': name what it does or holds"
                )
        if source.path.endswith(".py"):
            for node in source.nodes:
                if isinstance(node, ast.ClassDef) and (word := _empty_word(node.name)):
                    sentence = f"the class {node.name} says nothing with '{word}': name what it does or holds"
                    yield Finding(source.path, node.lineno, "empty_name", sentence)


def package_face(tree: Tree) -> Iterator[Finding]:
    """Without `__init__.py` the check of import directions does not see a folder, and tests of one name collide."""
    for source in tree.python("src/mainstay/", "tests/"):
        face = f"{source.folder}/__init__.py"
        if face not in tree.sources:
            yield Finding(source.path, 1, "package_face", f"its folder has no __init__.py: add an empty {face}")


def _empty_word(name: str) -> str | None:
    return next((word for word in _WORD.findall(name) if word.lower() in _EMPTY_WORDS), None)
