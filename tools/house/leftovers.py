"""Nothing is left open or switched off without a reason."""

import ast
import re
from collections.abc import Iterator

from tools.house.tree import Finding, Tree

_CODE = (".py", ".sql", ".md", ".toml", ".js", ".ts", ".css", ".html", ".sh", ".yml", ".yaml")
# Letters in brackets, so that the pattern is not its own finding.
_OPEN = re.compile(r"\b(?:TO[D]O|FI[X]ME|X[X]X|HAC[K])\b")
_SILENCED = re.compile(r"#\s*(?:type:\s*ignore|pyright:\s*ignore)(?!\[)|#\s*noqa(?!:\s*[A-Z])")


def broken_syntax(tree: Tree) -> Iterator[Finding]:
    """A file that does not parse is seen by no other rule."""
    for source in tree.python():
        if isinstance(source.syntax, SyntaxError):
            sentence = f"does not parse ({source.syntax.msg}): mend it"
            yield Finding(source.path, source.syntax.lineno or 1, "broken_syntax", sentence)


def left_open(tree: Tree) -> Iterator[Finding]:
    """What is to be done stands in the tracker; what is not done raises nothing that says so."""
    for source in tree.sources.values():
        if not source.path.endswith(_CODE):
            continue
        for number, line in enumerate(source.lines, 1):
            if match := _OPEN.search(line):
                yield Finding(
                    source.path, number, "left_open", f"says {match[0]}: do it, or open an issue and strike the word"
                )
        if source.path.endswith(".py"):
            for node in source.nodes:
                if isinstance(node, ast.Raise) and node.exc and "NotImplementedError" in ast.unparse(node.exc):
                    yield Finding(
                        source.path, node.lineno, "left_open", "raises NotImplementedError: write it, or leave it out"
                    )


def silenced(tree: Tree) -> Iterator[Finding]:
    """A check is switched off by its name, never wholesale."""
    for source in tree.python():
        for number, line in enumerate(source.lines, 1):
            if _SILENCED.search(line):
                yield Finding(
                    source.path, number, "silenced", "switches every check of the line off: name the one, with a reason"
                )


def skipped(tree: Tree) -> Iterator[Finding]:
    """A test that is skipped or expected to fail says why."""
    for source in tree.python("tests/"):
        for node in source.nodes:
            if not isinstance(node, ast.Attribute) or node.attr not in ("skip", "skipif", "xfail"):
                continue
            if not (isinstance(node.value, ast.Attribute) and node.value.attr == "mark"):
                continue
            call = next((n for n in source.nodes if isinstance(n, ast.Call) and n.func is node), None)
            if call is None or not any(keyword.arg == "reason" for keyword in call.keywords):
                yield Finding(
                    source.path, node.lineno, "skipped", f"pytest.mark.{node.attr} without reason='…': say why"
                )
