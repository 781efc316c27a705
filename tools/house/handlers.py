"""An error is caught by its name; only a process as a whole catches what it does not know."""

import ast
from collections.abc import Iterator

from tools.house.tree import Finding, Tree

_BROAD = frozenset({"Exception", "BaseException"})


def broad_handler(tree: Tree) -> Iterator[Finding]:
    """Catching everything hides faults of our own; the edge alone answers them. Tidying up and raising is no catch."""
    for source in tree.python("src/", "tools/", "bench/"):
        if source.path.startswith("src/mainstay/edge/"):
            continue
        for node in source.nodes:
            caught: list[ast.expr] = []
            if isinstance(node, ast.ExceptHandler) and not _raises_again(node):
                caught = (
                    node.type.elts if isinstance(node.type, ast.Tuple) else [node.type or ast.Name("BaseException")]
                )
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
                caught = node.args
            if any(isinstance(kind, ast.Name) and kind.id in _BROAD for kind in caught):
                line = node.lineno if isinstance(node, ast.ExceptHandler | ast.Call) else 1
                yield Finding(
                    source.path,
                    line,
                    "broad_handler",
                    "catches everything: name what may happen, and let the rest pass",
                )


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None
