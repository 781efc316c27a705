"""Which class each object belongs to: `tenant`, `shared` or `system`; what has none is a finding."""

from collections.abc import Iterator
from typing import Literal

from mainstay.platform.postgres.catalogue.facts import Facts, Relation
from mainstay.schema.declared import Declared

Class = Literal["tenant", "shared", "system"]
Problem = tuple[str, str]

TABLES = frozenset("rp")
KINDS = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialised view",
    "f": "foreign table",
    "S": "sequence",
    "c": "composite type",
}


def class_of(relation: Relation, declared: Declared) -> Class | None:
    """Return the class of `relation`, or None where neither its columns nor the declarations tell one."""
    if relation.name in declared.shared:
        return "shared"
    if relation.name in declared.system:
        return "system"
    if relation.kind in TABLES | {"v"} and relation.tenant_type:
        return "tenant"
    return None


def tenant_tables(facts: Facts, declared: Declared) -> list[Relation]:
    """Return the tables, partitioned or not, whose rows belong to one tenant each."""
    return [
        relation
        for relation in facts.relations
        if relation.kind in TABLES and relation.schema in declared.schemas and class_of(relation, declared) == "tenant"
    ]


def classify(facts: Facts, declared: Declared) -> dict[str, Class | None]:
    """Return the class of every relation, function and type of our schemas by name."""
    classes: dict[str, Class | None] = {
        r.name: class_of(r, declared) for r in facts.relations if r.schema in declared.schemas
    }
    known = {**declared.functions, **declared.policy_functions, **declared.keyhole_functions}
    for function in facts.functions:
        if function.schema in declared.schemas:
            classes[function.name] = "system" if function.name in known else None
    for name in facts.names_of("type"):
        classes[name] = "shared" if name in declared.shared else None
    return classes


def everything_has_a_class(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """Every object is a tenant's, shared or the system's."""
    for name, found in classify(facts, declared).items():
        if found is None:
            yield name, "belongs to no class: give it tenant_id and mainstay.protect, or declare it with a reason"


def a_tenant_table_is_declared_nowhere(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """A table with tenant_id cannot be talked out of its rules by a declaration."""
    for relation in facts.relations:
        if relation.name in (*declared.shared, *declared.system) and relation.tenant_type:
            yield relation.name, "has tenant_id and is declared shared or system: take the declaration back"


def declarations_name_what_exists(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """A declaration whose object is gone would let the next object of that name in unseen."""
    present = {
        *(relation.name for relation in facts.relations),
        *(key.name for key in facts.keys),
        *(function.name for function in facts.functions),
        *(f"{trigger.relation}.{trigger.name}" for trigger in facts.triggers),
        *facts.names_of("type"),
    }
    lists = (
        declared.shared,
        declared.system,
        declared.unique,
        declared.unanchored,
        declared.functions,
        declared.policy_functions,
        declared.policies,
        declared.policy_checks,
        declared.open_children,
        declared.triggers,
        declared.keyhole_functions,
        declared.keyhole_columns,
        declared.append_only,
    )
    for name in sorted({name for names in lists for name in names} - present):
        yield name, "is declared and does not exist: strike it from declared.toml"
