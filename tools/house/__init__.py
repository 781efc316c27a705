"""The rules of the house: each is a function from the tree of files to what breaks it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tools.house import (
    addresses,
    environment,
    handlers,
    imports,
    leftovers,
    migrations,
    names,
    papers,
    sizes,
    slices,
    sql,
)
from tools.house.tree import Finding, Tree

Rule = Callable[[Tree], Iterable[Finding]]

RULES: tuple[Rule, ...] = (
    sizes.file_size,
    sizes.function_size,
    names.empty_name,
    names.package_face,
    slices.slice_room,
    slices.slice_door,
    imports.import_home,
    imports.import_inside,
    environment.environment_read,
    leftovers.broken_syntax,
    leftovers.left_open,
    leftovers.silenced,
    leftovers.skipped,
    sql.query_use,
    sql.sql_in_python,
    sql.sql_built,
    sql.session_setting,
    sql.transaction_boundary,
    migrations.migration_name,
    migrations.table_protected,
    handlers.broad_handler,
    addresses.machine_folder,
    addresses.foreign_word,
    addresses.registry_address,
    addresses.pinned,
    addresses.locked_without_addresses,
    papers.paper_missing,
)


@dataclass(frozen=True)
class Count:
    """How much was looked at; where one of these is 0, the check saw nothing and has failed."""

    files: int
    functions: int
    queries: int
    migrations: int
    requirements: int


def count(tree: Tree) -> Count:
    """Return how much of each kind the tree holds."""
    return Count(
        files=len(tree.sources),
        functions=sum(len(source.functions) for source in tree.python()),
        queries=sum(source.text.count("-- name: ") for source in tree.under("src/", suffix="/queries.sql")),
        migrations=sum(1 for _ in tree.under(migrations.FOLDER)),
        requirements=sum(source.text.count("==") for source in tree.under(addresses.REQUIREMENTS, suffix=".txt")),
    )


def check(tree: Tree, exceptions: Mapping[str, Mapping[str, str]]) -> list[Finding]:
    """Return what breaks a rule and is not excused, and the excuses that excuse nothing."""
    findings: list[Finding] = []
    used: set[tuple[str, str]] = set()
    for rule in RULES:
        excuses = exceptions.get(rule.__name__, {})
        for finding in dict.fromkeys(rule(tree)):
            excuse = next((path for path in excuses if _covers(path, finding.path)), None)
            if excuse is None:
                findings.append(finding)
            else:
                used.add((rule.__name__, excuse))
    for rule_name, path in sorted({(name, path) for name, excuses in exceptions.items() for path in excuses} - used):
        sentence = f"is excused from {rule_name} and breaks it nowhere: strike the excuse"
        findings.append(Finding(path, 1, "idle_exception", sentence))
    return findings


def _covers(excused: str, path: str) -> bool:
    return path.startswith(excused) if excused.endswith("/") else path == excused
