"""Which module a file is, and which ones it imports."""

import ast
from collections.abc import Iterator

from tools.house.tree import Source


def module_name(path: str) -> str:
    """Return the dotted name of a Python file: `src/mainstay/kernel/ids.py` is `mainstay.kernel.ids`."""
    return path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports_of(source: Source) -> Iterator[tuple[int, str]]:
    """Yield the line and the full name of everything imported: `from a.b import c` is `a.b.c`, a module or not."""
    package = module_name(source.path).split(".")
    if source.name != "__init__.py":
        package.pop()
    for node in source.nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{stem}.{alias.name}") for alias in node.names)
