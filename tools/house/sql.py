"""SQL stands in `queries.sql`, with a name and a purpose each, and sets nothing beyond its transaction."""

import ast
import re
from collections.abc import Iterator

from mainstay.platform.postgres.queries import parse_queries
from tools.house.tree import Finding, Source, Tree

_STATEMENT = re.compile(
    r"\s*(?:SELECT|INSERT INTO|UPDATE \S+ SET|DELETE FROM|WITH \w+ AS|CREATE|ALTER|DROP|GRANT|REVOKE|TRUNCATE|COPY|CALL"
    r"|SET|RESET|LOCK|VACUUM|ANALYZE|REINDEX|LISTEN|UNLISTEN|NOTIFY|EXPLAIN|PREPARE|EXECUTE|MERGE INTO)\s"
)
_CLAUSE = re.compile(
    r"\bSELECT\b.*\bFROM\b|\bINSERT INTO\b|\bUPDATE\b.*\bSET\b|\bDELETE FROM\b|\bWHERE\b.*[=<>]|\bORDER BY\b", re.DOTALL
)
_SESSION_SET = re.compile(
    r"\s*SET\s+(?!LOCAL\b|CONSTRAINTS\b|TRANSACTION\b)|.*set_config\([^)]*,\s*false\s*\)", re.IGNORECASE | re.DOTALL
)
# What the parser of queries.sql does not read: dollar quotes and block comments.
_NOT_READ = re.compile(r"\$\w*\$|/\*")
_NOT_CODE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$", re.DOTALL)
_BOUNDARY = re.compile(r"\s*(?:BEGIN|COMMIT|ROLLBACK|START TRANSACTION|SAVEPOINT|END)\b(?!\s+\w+ing)")


def query_use(tree: Tree) -> Iterator[Finding]:
    """Every query has a purpose and is asked for by the Python beside it, which asks for no other."""
    for source in tree.under("src/", suffix="/queries.sql"):
        if match := _NOT_READ.search(source.text):
            line = source.text[: match.start()].count("\n") + 1
            yield Finding(
                source.path, line, "query_use", f"holds {match[0]}, in which parameters are not told apart: do without"
            )
        try:
            names = parse_queries(source.text, origin=source.path)
        except ValueError as error:
            yield Finding(source.path, 1, "query_use", str(error))
            continue
        asked: set[str] = set()
        for neighbour in tree.python(f"{source.folder}/"):
            asked |= {text for _, text in _texts(neighbour)}
            for line, name in _subscripts(neighbour):
                if neighbour.folder == source.folder and name not in names:
                    yield Finding(
                        neighbour.path, line, "query_use", f"asks for the query '{name}', which {source.path} has not"
                    )
        for name in sorted(names.keys() - asked):
            line = source.text[: source.text.index(f"-- name: {name}")].count("\n") + 1
            yield Finding(source.path, line, "query_use", f"nothing asks for the query '{name}': strike it")


def sql_in_python(tree: Tree) -> Iterator[Finding]:
    """A statement in Python is seen by no check of the schema."""
    for source in tree.python("src/"):
        for line, text in _texts(source):
            if _STATEMENT.match(text):
                yield Finding(
                    source.path,
                    line,
                    "sql_in_python",
                    f"holds the statement '{text.strip()[:40]}': put it into queries.sql",
                )


def sql_built(tree: Tree) -> Iterator[Finding]:
    """SQL put together from text is how foreign text becomes SQL."""
    for source in tree.python("src/"):
        for node in source.nodes:
            if isinstance(node, ast.JoinedStr):
                words = " ".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
                if len(node.values) > 1 and (_STATEMENT.match(words) or _CLAUSE.search(words)):
                    yield Finding(
                        source.path, node.lineno, "sql_built", "builds SQL from text: bind a parameter instead"
                    )


def session_setting(tree: Tree) -> Iterator[Finding]:
    """A setting that outlives its transaction is the next tenant's."""
    for source in tree.under("src/"):
        if source.path.endswith(".sql"):
            code = _NOT_CODE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), source.text)
            place = 0
            for statement in code.split(";"):
                if _SESSION_SET.match(statement):
                    start = place + len(statement) - len(statement.lstrip())
                    yield _outlives(source, code[:start].count("\n") + 1)
                place += len(statement) + 1
        elif source.path.endswith(".py"):
            for line, text in _texts(source):
                if _SESSION_SET.match(text) and (_STATEMENT.match(text) or "set_config" in text):
                    yield _outlives(source, line)


def transaction_boundary(tree: Tree) -> Iterator[Finding]:
    """Transactions begin and end in one file for requests and jobs, and in one for migrations."""
    for source in tree.python("src/"):
        for line, text in _texts(source):
            if _BOUNDARY.match(text):
                yield Finding(
                    source.path, line, "transaction_boundary", f"says '{text.strip()[:20]}': open it through Database"
                )
        for node in source.nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "transaction":
                sentence = "calls the driver's .transaction(): open it through Database"
                yield Finding(source.path, node.lineno, "transaction_boundary", sentence)


def _outlives(source: Source, line: int) -> Finding:
    return Finding(source.path, line, "session_setting", "sets something for the whole session: SET LOCAL")


def _texts(source: Source) -> Iterator[tuple[int, str]]:
    """Yield line and value of the string literals that are no docstrings; of f-strings, what stands first."""
    docstrings = {
        id(node.body[0].value)
        for node in source.nodes
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    inner = {id(part) for node in source.nodes if isinstance(node, ast.JoinedStr) for part in node.values[1:]}
    for node in source.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings | inner:
            yield node.lineno, node.value


def _subscripts(source: Source) -> Iterator[tuple[int, str]]:
    """Yield line and key of look-ups in what load_queries returned."""
    loaded = {
        target.id
        for node in source.nodes
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "load_queries"
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in source.nodes:
        if not (isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in loaded):
            continue
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            yield node.lineno, node.slice.value
