"""Who may do what, said a second time and in another form, so that a slip in the declared table is one against two.

The table has a row for each operation; here are a few rules on their names, the first that fits, and the roles of each
permission. What the matrix of permissions expects of a server comes from here, and never from the table that it obeys.
"""

import re
from collections.abc import Mapping
from typing import Final, get_args

from mainstay.control.access.operations import Permission, Role, Table

_RULES: Final[tuple[tuple[str, Permission], ...]] = (
    (r"\w+ /v1/vector_stores/.*/audience", "documents.share"),
    (r"GET /v1/(files|vector_stores)\b", "documents.read"),
    (r"POST /v1/vector_stores/[^/]+/(search|known_files)", "documents.read"),
    (r"(POST|DELETE) /v1/(files|vector_stores)\b", "documents.write"),
    (r"\w+ /v1/(responses|answers|chat|models|embeddings)\b", "ask"),
    (r"GET /v1/(usage|limits)", "usage.read"),
    (r"GET /v1/audit", "audit.read"),
    (r"GET /v1/schedules\b", "jobs.read"),
    (r"POST /v1/schedules\b", "schedules.manage"),
    (r"\w+ /v1/(keys|limits)\b", "keys.manage"),
    (r"\w+ /v1/(principals|groups)\b", "members.manage"),
    (r"GET /v1/jobs\b", "jobs.read"),
    (r"POST /v1/jobs\b", "jobs.manage"),
)
# What is for a member alone though it only reads: bytes, models, and its own limits.
_NO_OPERATOR: Final = re.compile(r"GET /v1/(.*/content|models|limits)\b")
_NO_KEY: Final = {"GET /", "GET /healthz", "GET /readyz", "GET /metrics", "GET /openapi.json", "MOUNT /page"}
_SEE_ALL: Final = {"owner", "admin", "reviewer", "engineer"}
_ALL: Final = frozenset(get_args(Role))
HOLDERS: Final[Mapping[Permission, frozenset[str]]] = {
    "ask": _ALL,
    "answers.delete": frozenset({"owner", "admin"}),
    "documents.read": _ALL,
    "documents.write": _ALL - {"product"},
    "documents.share": _ALL - {"product", "customer"},
    "usage.read": _ALL,
    "audit.read": frozenset({"owner", "admin", "engineer"}),
    "keys.manage": frozenset({"owner", "admin"}),
    "members.manage": frozenset({"owner", "admin"}),
    "owners.manage": frozenset({"owner"}),
    "jobs.read": _ALL,
    "jobs.manage": _ALL - {"product"},
    "schedules.manage": frozenset({"owner", "admin", "engineer"}),
}


def permission_for(operation: str) -> Permission | None:
    """Return what an operation needs, None where it needs no key; raises LookupError where no rule tells."""
    if operation in _NO_KEY:
        return None
    for pattern, permission in _RULES:
        if re.match(pattern, operation):
            return permission
    raise LookupError(f"no rule of who_may.py tells who may '{operation}': add one")


def operator_may(operation: str) -> bool:
    """Return whether an operator above the tenants reads by an operation."""
    return operation.startswith("GET ") and _NO_OPERATOR.match(operation) is None


def differences(table: Table) -> list[str]:
    """Return a sentence for each point in which a table says otherwise than the rules here."""
    found: list[str] = []
    for name, operation in table.operations.items():
        wanted = permission_for(name)
        if operation.permission != wanted:
            found.append(f"'{name}' needs {operation.permission}, not {wanted}")
        if operation.operator != operator_may(name):
            found.append(f"'{name}' is open to operators: {operation.operator}")
    found += [f"'{name}' needs no key" for name in sorted(table.public.keys() ^ _NO_KEY)]
    for role, permissions in table.permissions.items():
        held = {permission for permission, holders in HOLDERS.items() if role in holders}
        found += [f"'{role}' differs in {permission}" for permission in sorted(permissions ^ held)]
    found += [f"'{role}' differs in whether it sees all" for role in sorted(table.sees_all ^ _SEE_ALL)]
    return found
