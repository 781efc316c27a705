"""Rules over who was granted what, and over the rows that may only ever be added."""

from collections.abc import Iterator

from mainstay.platform.postgres.catalogue.classes import Problem, class_of, tenant_tables
from mainstay.platform.postgres.catalogue.facts import PUBLIC, Facts, Grant
from mainstay.schema.declared import Declared

# TRUNCATE empties all tenants at once, REFERENCES and TRIGGER reach past the policies, MAINTAIN locks and rebuilds.
_NEVER = frozenset({"TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"})
_LEFT_TO_PUBLIC = {("schema", "public", "USAGE")}


def public_has_no_rights(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """Every role of the server is in PUBLIC, whoever made it."""
    for grant in facts.grants:
        if grant.grantee == PUBLIC and (grant.kind, grant.object, grant.privilege) not in _LEFT_TO_PUBLIC:
            yield _place(grant), f"lets PUBLIC {grant.privilege}: REVOKE ALL … FROM PUBLIC"


def nobody_has_rights_past_the_policies(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """Row security is not asked for these rights."""
    for grant in facts.grants:
        if grant.kind in ("relation", "column") and grant.privilege in _NEVER:
            yield _place(grant), f"lets {grant.grantee} {grant.privilege}, which row security does not bind: revoke it"


def only_known_roles_have_rights(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """The runtime role, the keyhole's role and the owner; what else needs access becomes one of them."""
    known = {PUBLIC, declared.runtime_role, declared.keyhole_role, *facts.owner_roles()}
    for grant in facts.grants:
        if grant.kind != "schema" and grant.grantee not in known:
            yield (
                _place(grant),
                f"lets {grant.grantee} {grant.privilege}: revoke it, or put that role into {declared.runtime_role}",
            )


def rights_are_not_handed_on(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """WITH GRANT OPTION lets a role open what it holds to others."""
    for grant in facts.grants:
        if grant.grantable:
            yield _place(grant), f"lets {grant.grantee} hand {grant.privilege} on: revoke the grant option"


def only_owners_create_in_schemas(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """Whoever creates a function in a schema of the search path can stand before ours."""
    for grant in facts.grants:
        needed = grant.grantee == declared.keyhole_role and grant.object == "keyhole"
        if grant.kind == "schema" and grant.privilege == "CREATE" and not needed:
            yield _place(grant), f"lets {grant.grantee} create objects in it: REVOKE CREATE"


def defaults_grant_nothing(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """Default privileges would open the next table before anyone looks at it."""
    for grant in facts.grants:
        if grant.kind == "default":
            yield (
                grant.object,
                f"has default privileges that let {grant.grantee} {grant.privilege}: ALTER DEFAULT PRIVILEGES … REVOKE",
            )


def shared_rows_are_read_only(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """What all tenants read, none of them writes; the keyhole's columns have a rule of their own."""
    common = {r.name for r in facts.relations if class_of(r, declared) in ("shared", "system")}
    for grant in facts.grants:
        if grant.grantee == declared.keyhole_role and grant.object in declared.keyhole_columns:
            continue
        if grant.object in common and grant.privilege not in ("SELECT", "USAGE"):
            yield _place(grant), f"is no tenant's and lets {grant.grantee} {grant.privilege}: grant SELECT at most"


def append_only_rows_have_no_other_rights(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """Nobody is granted to change or delete what is only ever added."""
    for grant in facts.grants:
        if grant.object in declared.append_only and grant.privilege not in ("SELECT", "INSERT"):
            yield _place(grant), f"is append-only and lets {grant.grantee} {grant.privilege}: revoke it"


def append_only_rows_are_guarded(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """A trigger binds the owner too; ENABLE ALWAYS keeps it on while changes are replicated."""
    wanted = ("DELETE", "TRUNCATE", "UPDATE")
    guards = {
        trigger.relation
        for trigger in facts.triggers
        if trigger.events == wanted and trigger.before and not trigger.conditional and trigger.enabled == "A"
    }
    for name in declared.append_only:
        if name not in guards:
            yield name, "needs a trigger BEFORE UPDATE OR DELETE OR TRUNCATE that is ENABLE ALWAYS and refuses"


def triggers_are_declared(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """A trigger is code that runs on every row; it does what the list says or is not there."""
    for trigger in facts.triggers:
        place = f"{trigger.relation}.{trigger.name}"
        if declared.triggers.get(place) != trigger.function:
            yield place, f"is a trigger that calls {trigger.function}, which is not declared"


def keyhole_sees_its_columns_alone(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """The functions of the keyhole can give out no more than their role may read."""
    granted = {
        (grant.object, grant.column, grant.privilege)
        for grant in facts.grants
        if grant.grantee == declared.keyhole_role and grant.kind in ("relation", "column")
    }
    wanted: set[tuple[str, str | None, str]] = {
        (table, column, privilege)
        for table, columns in declared.keyhole_columns.items()
        for privilege, names in (("SELECT", columns.select), ("INSERT", columns.insert), ("UPDATE", columns.update))
        for column in names
    }
    # A row is deleted whole.
    wanted |= {(table, None, "DELETE") for table, columns in declared.keyhole_columns.items() if columns.delete}
    for table, column, privilege in sorted(granted - wanted, key=str):
        yield f"{table}.{column or '*'}", f"lets {declared.keyhole_role} {privilege}, which is not declared: revoke it"
    for table, column, privilege in sorted(wanted - granted, key=str):
        yield f"{table}.{column or '*'}", f"is declared for {declared.keyhole_role} to {privilege} and not granted"


def owners_are_bound_by_row_security(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """FORCE does not hold a superuser: what such an owner's functions and views do, no policy sees."""
    strong = {role.name for role in facts.roles if {"SUPERUSER", "BYPASSRLS"} & set(role.powers)}
    for relation in facts.relations:
        if relation.schema in declared.schemas and relation.owner in strong:
            yield relation.name, f"belongs to {relation.owner}, whom row security does not bind: give it a plain owner"


def one_role_owns_all_tables(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """The owner of the schema owns what is in it; a second owner could switch off what the first switched on."""
    owners = {owner.schema: owner.role for owner in facts.owners}
    for table in tenant_tables(facts, declared):
        if table.owner != owners.get(table.schema):
            yield (
                table.name,
                f"belongs to {table.owner}, and its schema to {owners.get(table.schema)}: make them the same",
            )


def _place(grant: Grant) -> str:
    return f"{grant.object}.{grant.column}" if grant.column else grant.object
