"""The declared table: which role has which permission, and which permission each operation of the API needs."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal, get_args

from mainstay.kernel.errors import invariant

# Written out for the type checker; the table must name exactly these.
Role = Literal["owner", "admin", "reviewer", "engineer", "product", "customer", "service"]
Permission = Literal[
    "ask",
    "answers.delete",
    "documents.read",
    "documents.write",
    "documents.share",
    "usage.read",
    "audit.read",
    "keys.manage",
    "members.manage",
    "jobs.read",
    "jobs.manage",
    "owners.manage",
    "schedules.manage",
]

TABLE = "operations.toml"


@dataclass(frozen=True)
class Operation:
    """One operation of the API, as `METHOD /path`: what it needs, and whether an operator may read by it."""

    name: str
    permission: Permission
    operator: bool


@dataclass(frozen=True)
class Table:
    """Who may do what. `purposes` says what each permission is for, `public` why an operation needs no key."""

    permissions: Mapping[Role, frozenset[Permission]]
    sees_all: frozenset[Role]
    purposes: Mapping[Permission, str]
    operations: Mapping[str, Operation]
    public: Mapping[str, str]

    def roles_with(self, permission: Permission) -> list[Role]:
        """Return the roles that have a permission, in the order of the table."""
        return [role for role, permissions in self.permissions.items() if permission in permissions]

    def differences(self, guarded: Iterable[str], open_to_all: Iterable[str]) -> list[str]:
        """Return a sentence for each operation that is served otherwise than declared, and for each declared in vain.

        `guarded` are the operations that ask for a key, `open_to_all` those that do not.
        """
        guarded, open_to_all = set(guarded), set(open_to_all)
        undeclared = sorted((guarded | open_to_all) - self.operations.keys() - self.public.keys())
        return [
            *(f"'{name}' is served and not declared: add it to {TABLE}" for name in undeclared),
            *(
                f"'{name}' asks for no key and needs one: let its route depend on Permitted"
                for name in sorted(open_to_all & self.operations.keys())
            ),
            *(
                f"'{name}' is declared public and asks for a key: take one of both back"
                for name in sorted(guarded & self.public.keys())
            ),
            *(
                f"'{name}' is declared and not served: strike it from {TABLE}"
                for name in sorted((self.operations.keys() | self.public.keys()) - guarded - open_to_all)
            ),
        ]


def parse_table(text: str) -> Table:
    """Return the table in `text`; raises AssertionError where it names a role or permission that there is not."""
    data: dict[str, Any] = tomllib.loads(text)
    table = Table(
        permissions={role: frozenset(entry["permissions"]) for role, entry in data["roles"].items()},
        sees_all=frozenset(role for role, entry in data["roles"].items() if entry["sees_all"]),
        purposes=data["permissions"],
        operations={
            name: Operation(name, entry["permission"], entry.get("operator", False))
            for name, entry in data["operations"].items()
        },
        public=data["public"],
    )
    needed = {operation.permission for operation in table.operations.values()}
    held = {permission for permissions in table.permissions.values() for permission in permissions}
    known: set[str] = set(get_args(Permission))
    invariant(
        list(table.permissions) == list(get_args(Role)),
        f"{TABLE}: the roles are not those of operations.py, in its order",
    )
    invariant(
        list(table.purposes) == list(get_args(Permission)),
        f"{TABLE}: the permissions are not those of operations.py, in its order",
    )
    invariant(held | needed <= known, f"{TABLE}: {sorted((held | needed) - known)} are no permissions")
    reading = [one for one in table.operations.values() if one.operator and not one.name.startswith("GET ")]
    invariant(not reading, f"{TABLE}: {[one.name for one in reading]} are open to operators, who only read")
    doubled = sorted(table.operations.keys() & table.public.keys())
    invariant(not doubled, f"{TABLE}: {doubled} are both public and not")
    return table


DECLARED = parse_table(files(__package__ or "").joinpath(TABLE).read_text("utf-8"))
