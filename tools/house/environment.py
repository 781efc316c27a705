"""One module of the product reads the environment, so that every setting has a name, a type and a place."""

import ast
from collections.abc import Iterator

from tools.house.tree import Finding, Tree

_READERS = frozenset({"environ", "environb", "getenv", "putenv"})


def environment_read(tree: Tree) -> Iterator[Finding]:
    """Nothing but `config.py` looks at the environment."""
    for source in tree.python("src/"):
        if source.path == "src/mainstay/config.py":
            continue
        for node in source.nodes:
            taken = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os"
            name = node.attr if taken and isinstance(node, ast.Attribute) else ""
            if isinstance(node, ast.ImportFrom) and node.module == "os":
                name = next((alias.name for alias in node.names if alias.name in _READERS), "")
            if name in _READERS:
                line = node.lineno if isinstance(node, ast.Attribute | ast.ImportFrom) else 1
                yield Finding(
                    source.path, line, "environment_read", f"reads os.{name}: take it as an argument from config.py"
                )
