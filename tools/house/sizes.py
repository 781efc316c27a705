"""Small files and short functions: what does not fit on a few screens is split by noun or verb."""

from collections.abc import Iterator

from tools.house.tree import Finding, Tree

FILE_LINES_MAX = {"src/": 400, "tools/": 400, "bench/": 400, "tests/": 600}
FUNCTION_LINES_MAX = 60
_CODE = (".py", ".sql", ".js", ".ts", ".css", ".html", ".sh")


def file_size(tree: Tree) -> Iterator[Finding]:
    """A file has at most as many lines as its folder allows."""
    for folder, lines_max in FILE_LINES_MAX.items():
        for source in tree.under(folder):
            if source.path.endswith(_CODE) and len(source.lines) > lines_max:
                sentence = f"has {len(source.lines)} lines, and {lines_max} are the most: split it by noun or verb"
                yield Finding(source.path, lines_max, "file_size", sentence)


def function_size(tree: Tree) -> Iterator[Finding]:
    """A function has at most 60 lines, its docstring among them."""
    for source in tree.python():
        for function in source.functions:
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                sentence = (
                    f"{function.name} has {lines} lines, and {FUNCTION_LINES_MAX} are the most: name a part of it"
                )
                yield Finding(source.path, function.lineno, "function_size", sentence)
