"""What the schema declares of itself in `declared.toml`: the lists that the check over the catalogue holds it to."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class KeyholeFunction:
    """One function that looks across tenants: why, what comes out, and whether the runtime role may call it."""

    reason: str
    returns: tuple[str, ...]
    runtime: bool


@dataclass(frozen=True)
class KeyholeColumns:
    """The columns of one table that the keyhole's role may read and write, and whether it may delete rows."""

    select: tuple[str, ...]
    insert: tuple[str, ...]
    update: tuple[str, ...]
    delete: bool = False

    @property
    def policy_command(self) -> str:
        """Return the one command of the keyhole's policy on this table."""
        return "ALL" if self.insert or self.update or self.delete else "SELECT"


@dataclass(frozen=True)
class Declared:
    """The closed lists of one schema; names are qualified, and signatures read as `regprocedure` prints them.

    `shared`, `system`, `unique`, `unanchored`, `open_children` and `functions` map a name to the reason why it may be
    there, `triggers` maps one to its function, `policy_functions` a signature to the body that it must have,
    `policies` a table to what its policy shows to those who do not see all of the tenant, and `policy_checks` one to
    what they may write where that is another condition.
    """

    schemas: tuple[str, ...]
    runtime_role: str
    narrow_role: str
    wide_role: str
    keyhole_role: str
    extensions: tuple[str, ...]
    append_only: tuple[str, ...]
    shared: Mapping[str, str]
    system: Mapping[str, str]
    unique: Mapping[str, str]
    unanchored: Mapping[str, str]
    policy_functions: Mapping[str, str]
    policies: Mapping[str, str]
    policy_checks: Mapping[str, str]
    open_children: Mapping[str, str]
    functions: Mapping[str, str]
    triggers: Mapping[str, str]
    keyhole_codes: tuple[str, ...]
    keyhole_functions: Mapping[str, KeyholeFunction]
    keyhole_columns: Mapping[str, KeyholeColumns]


def declared() -> Declared:
    """Return the declarations of this version of the schema."""
    return parse_declared(files("mainstay.schema").joinpath("declared.toml").read_text("utf-8"))


def parse_declared(text: str) -> Declared:
    """Return the declarations in `text`; a product built on Mainstay has a file of its own."""
    data: dict[str, Any] = tomllib.loads(text)
    keyhole = data["keyhole"]
    return Declared(
        schemas=tuple(data["schemas"]),
        runtime_role=data["runtime_role"],
        narrow_role=data["narrow_role"],
        wide_role=data["wide_role"],
        keyhole_role=data["keyhole_role"],
        extensions=tuple(data["extensions"]),
        append_only=tuple(data["append_only"]),
        shared=data["shared"],
        system=data["system"],
        unique=data["unique"],
        unanchored=data["unanchored"],
        policy_functions=data["policy_functions"],
        policies=data["policies"],
        policy_checks=data["policy_checks"],
        open_children=data["open_children"],
        functions=data["functions"],
        triggers=data["triggers"],
        keyhole_codes=tuple(keyhole["codes"]),
        keyhole_functions={
            signature: KeyholeFunction(entry["reason"], tuple(entry["returns"]), entry.get("runtime", True))
            for signature, entry in keyhole["functions"].items()
        },
        keyhole_columns={
            table: KeyholeColumns(
                *(tuple(entry.get(right, ())) for right in ("select", "insert", "update")),
                delete=entry.get("delete", False),
            )
            for table, entry in keyhole["columns"].items()
        },
    )
