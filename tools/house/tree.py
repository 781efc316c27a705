"""The files of the repository as the rules see them: by path, as text, and for Python as a syntax tree."""

import ast
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class Finding:
    """One broken rule: where, which, and a sentence that says what to do."""

    path: str
    line: int
    rule: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.sentence}"


@dataclass(frozen=True)
class Source:
    """One text file; `path` is relative to the root of the repository, with slashes."""

    path: str
    text: str

    @property
    def name(self) -> str:
        """Return the last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        """Return the path without its last part."""
        return self.path.rpartition("/")[0]

    @cached_property
    def lines(self) -> list[str]:
        """Return the lines without their ends."""
        return self.text.splitlines()

    @cached_property
    def syntax(self) -> ast.Module | SyntaxError:
        """Return the syntax tree of a Python file, or why it has none."""
        try:
            return ast.parse(self.text, self.path)
        except SyntaxError as error:
            return error

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Return every node of the syntax tree, outermost first; a file that does not parse has none."""
        return [] if isinstance(self.syntax, SyntaxError) else list(ast.walk(self.syntax))

    @cached_property
    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Return every function of a Python file, nested ones too."""
        return [node for node in self.nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


class Tree:
    """All text files by path; `foreign_words` are those that the machine's owner wants in none of them."""

    def __init__(self, texts: Mapping[str, str], foreign_words: Iterable[str] = ()) -> None:
        self.sources = {path: Source(path, text) for path, text in sorted(texts.items())}
        self.foreign_words = tuple(foreign_words)

    def under(self, *folders: str, suffix: str = "") -> Iterator[Source]:
        """Yield the files in any of `folders` (with a trailing slash; "" is all) whose name ends in `suffix`."""
        for source in self.sources.values():
            if source.path.startswith(folders) and source.path.endswith(suffix):
                yield source

    def python(self, *folders: str) -> Iterator[Source]:
        """Yield the Python files in any of `folders`, or in all."""
        return self.under(*(folders or ("",)), suffix=".py")


# One word a line, never in the repository itself: the names of tools and places of one machine.
FOREIGN_WORDS = Path(".git") / "info" / "foreign-words"


def read_tree(root: Path) -> Tree:
    """Return what git tracks or would track under `root`; binary files are left out."""
    # A checkout may belong to another user than the one who checks it.
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
        text=True,
    )
    texts: dict[str, str] = {}
    for path in listed.stdout.split("\0"):
        file = root / path
        if not path or not file.is_file() or file.is_symlink():
            continue
        content = file.read_bytes()
        if b"\0" not in content:
            texts[path] = content.decode("utf-8", "replace")
    words = root / FOREIGN_WORDS
    return Tree(texts, words.read_text("utf-8").split() if words.is_file() else ())
