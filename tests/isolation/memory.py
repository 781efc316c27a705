"""What a process keeps between requests, found by reading the code: memoised functions and containers that fill.

A tenant's text that stays in such a place could come back to another tenant. The check knows the forms that Python has
for it; each find must be declared with the reason why nothing of a tenant comes back from it.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import mainstay

ROOT = Path(mainstay.__file__).parent
_MEMOISED = {"cache", "lru_cache", "cached_property", "alru_cache", "cached"}
_CONTAINERS = {
    *("dict", "list", "set", "OrderedDict", "defaultdict", "deque", "Counter", "ContextVar", "TTLCache", "LRUCache"),
    *("WeakKeyDictionary", "WeakValueDictionary", "WeakSet", "Queue", "local"),
}


def kept_in_package() -> list[str]:
    """Return `file: name` of everything that the package's processes may keep."""
    return sorted(
        f"{file.relative_to(ROOT).as_posix()}: {name}"
        for file in ROOT.rglob("*.py")
        for name in kept(ast.parse(file.read_text("utf-8")))
    )


def kept(module: ast.Module) -> Iterator[str]:
    """Yield the names of memoised functions, of containers of the module or a class, and of those of objects."""
    yield from _containers(module.body, "")
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if any(_name(decorator) in _MEMOISED for decorator in node.decorator_list):
                yield node.name
            # A default that fills outlives the call.
            yield from (f"{node.name}(…={ast.unparse(default)})" for default in node.args.defaults if _fills(default))
        elif isinstance(node, ast.ClassDef):
            yield from _containers(node.body, f"{node.name}.")
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                    yield from (f"{node.name}.{name}" for name in _attributes(method))


def _containers(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for statement in body:
        if (
            isinstance(statement, ast.Assign | ast.AnnAssign)
            and statement.value is not None
            and _fills(statement.value)
        ):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            yield from (prefix + ast.unparse(target) for target in targets)


def _attributes(method: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(method):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and _fills(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.attr for target in targets if isinstance(target, ast.Attribute))


def _fills(value: ast.expr) -> bool:
    """Return whether an expression makes a container that is empty, and so is there to be filled, or that remembers."""
    if isinstance(value, ast.Dict | ast.List | ast.Set):
        return not (value.keys if isinstance(value, ast.Dict) else value.elts)
    if not isinstance(value, ast.Call):
        return False
    name = _name(value)
    return name in _MEMOISED or (
        name in _CONTAINERS and (not value.args or name in ("ContextVar", "defaultdict", "deque"))
    )


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        return _name(node.func)
    if isinstance(node, ast.Subscript):
        return _name(node.value)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
