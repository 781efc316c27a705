"""The declared table with one row or right taken out, widened or given to one more, and what must notice.

A server that obeys such a table either does not start, or answers one of the matrix' principals otherwise than
who_may.py says; where no operation of its own would show it, the rules of who_may.py differ.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import get_args

import httpx2
from fastapi import FastAPI

from mainstay.control.access.operations import DECLARED, TABLE, Permission, Role, parse_table
from mainstay.edge.server.operations import require_declared
from tests.isolation import who_may
from tests.isolation.matrix import Principal, try_operation

TEXT = files("mainstay.control.access").joinpath(TABLE).read_text("utf-8")
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True)
class TableMutant:
    """The text of a table, the operations in which it may show, and the principal that sees it, or all of them."""

    kind: str
    name: str
    text: str
    operations: Sequence[str]
    principal: str = ""


def table_mutants() -> list[TableMutant]:
    """Return the table with each row dropped and widened, and with each right of a role taken and given."""
    return [*_rows(), *_public(), *_roles()]


def _rows() -> Iterator[TableMutant]:
    for name, operation in DECLARED.operations.items():
        row = _line(f'"{name}" = {{')
        yield TableMutant("row", f"'{name}' dropped", TEXT.replace(row, "", 1), [name])
        opened = TEXT.replace(row, "", 1).replace("[public]\n", f'[public]\n"{name}" = "planted"\n', 1)
        yield TableMutant("row", f"'{name}' made public", opened, [name])
        for permission in PERMISSIONS:
            if permission != operation.permission:
                text = TEXT.replace(row, row.replace(f'"{operation.permission}"', f'"{permission}"'), 1)
                yield TableMutant("row", f"'{name}' needs {permission}", text, [name])
        turned = (
            row.replace(", operator = true", "") if operation.operator else row.replace(" }", ", operator = true }")
        )
        yield TableMutant("row", f"'{name}' with operator turned", TEXT.replace(row, turned, 1), [name], "operator")


def _public() -> Iterator[TableMutant]:
    for name in DECLARED.public:
        row = _line(f'"{name}" = ')
        yield TableMutant("public", f"'{name}' dropped", TEXT.replace(row, "", 1), [name])
        guarded = f'[operations]\n"{name}" = {{ permission = "ask" }}\n'
        text = TEXT.replace(row, "", 1).replace("[operations]\n", guarded, 1)
        yield TableMutant("public", f"'{name}' needs ask", text, [name])


def _roles() -> Iterator[TableMutant]:
    for role in ROLES:
        row = _line(f"{role} = {{")
        for permission in PERMISSIONS:
            asking = [name for name, one in DECLARED.operations.items() if one.permission == permission]
            if permission in DECLARED.permissions[role]:
                changed = re.sub(rf'"{permission}", |, "{permission}"', "", row, count=1)
                yield TableMutant("role", f"{role} loses {permission}", TEXT.replace(row, changed, 1), asking, role)
            else:
                changed = row.replace("[", f'["{permission}", ', 1)
                yield TableMutant("role", f"{role} gets {permission}", TEXT.replace(row, changed, 1), asking, role)
        sees = "sees_all = true" if role in DECLARED.sees_all else "sees_all = false"
        turned = row.replace(sees, "sees_all = false" if sees.endswith("true") else "sees_all = true")
        yield TableMutant("role", f"{role} with {sees} turned", TEXT.replace(row, turned, 1), [], role)


def _line(beginning: str) -> str:
    (found,) = (line for line in TEXT.splitlines(keepends=True) if line.startswith(beginning))
    return found


async def killer(app: FastAPI, http: httpx2.AsyncClient, principals: Sequence[Principal], mutant: TableMutant) -> str:
    """Return what notices a mutant: the start of a server, the matrix over its socket, or the rules; nothing else."""
    try:
        table = parse_table(mutant.text)
        require_declared(app, table)
    except AssertionError:
        return "start"
    app.state.declared = table
    try:
        for operation in mutant.operations:
            for one in principals:
                if mutant.principal in ("", one.name) and await try_operation(http, operation, one):
                    return "matrix"
    finally:
        app.state.declared = DECLARED
    return "rules" if who_may.differences(table) else ""
