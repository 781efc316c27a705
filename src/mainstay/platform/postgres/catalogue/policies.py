"""Rules over policies: on every tenant table those that are known word for word, and beside them only the keyhole's."""

from collections.abc import Iterator

from mainstay.platform.postgres.catalogue.classes import Problem, tenant_tables
from mainstay.platform.postgres.catalogue.facts import PUBLIC, Facts, Policy, Relation
from mainstay.schema.declared import Declared

TENANT, WHOLE, KEYHOLE = "tenant", "whole", "keyhole"
_CLAIMED = "(tenant_id = mainstay.claimed_tenant())"
_OF_TENANT = f"{_CLAIMED} AND (tenant_id = ( SELECT mainstay.current_tenant() AS current_tenant))"
OF_TENANT = f"({_OF_TENANT})"
SEES_ALL = f"({_CLAIMED} AND (tenant_id = ( SELECT mainstay.whole_tenant() AS whole_tenant)))"
OF_OWNER = "((visibility = 'tenant'::text) OR (owner_id = ( SELECT mainstay.current_principal() AS current_principal)))"
# What these columns name may be hidden inside a tenant, so a table that has one is hidden with it.
_HIDEABLE = frozenset(
    {"store_id", "document_id", "version_id", "chunk_id", "generation_id", "file_id", "answer_id", "conversation_id"}
)


def expected_policies(table: Relation, declared: Declared) -> list[Policy]:
    """Return the policies of a table: one for everyone or, where rows are hidden inside a tenant, one for each role."""
    shown = declared.policies.get(table.name)
    if shown is None and {"owner_id", "visibility"} <= set(table.columns):
        shown = OF_OWNER
    if shown is None:
        return [_expected(table, TENANT, PUBLIC, OF_TENANT, OF_TENANT)]
    written = declared.policy_checks.get(table.name, shown)
    narrow, checked = f"({_OF_TENANT} AND {shown})", f"({_OF_TENANT} AND {written})"
    return [
        _expected(table, TENANT, declared.narrow_role, narrow, checked),
        _expected(table, WHOLE, declared.wide_role, SEES_ALL, SEES_ALL),
    ]


def _expected(table: Relation, name: str, role: str, using: str, check: str) -> Policy:
    return Policy(
        relation=table.name,
        name=name,
        command="ALL",
        permissive=True,
        roles=(role,),
        using_sql=using,
        check_sql=check,
    )


def children_hide_with_their_parents(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """A row that names what may be hidden is hidden with it, or tells of it."""
    for table in tenant_tables(facts, declared):
        named = sorted(_HIDEABLE & set(table.columns))
        if named and len(expected_policies(table, declared)) == 1 and table.name not in declared.open_children:
            yield table.name, f"names a {', '.join(named)} and is seen by the whole tenant: CALL mainstay.narrow for it"


def every_tenant_table_has_its_policies(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """A table without a policy answers with nothing instead of an error."""
    having = {(policy.relation, policy.name) for policy in facts.policies}
    for table in tenant_tables(facts, declared):
        for policy in expected_policies(table, declared):
            if (table.name, policy.name) not in having:
                call = "protect" if policy.name == TENANT else "narrow"
                yield table.name, f"has no policy '{policy.name}': CALL mainstay.{call} for it"


def policies_read_as_expected(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """USING decides which rows are seen, changed and deleted."""
    for found, expected in _pairs(facts, declared):
        if _words(found.using_sql) != expected.using_sql:
            yield (
                found.relation,
                f"has a policy '{found.name}' USING {found.using_sql}, not {expected.using_sql}",
            )


def policies_check_what_is_written(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """WITH CHECK decides which rows may be put there; without it one tenant could write into another."""
    for found, expected in _pairs(facts, declared):
        if _words(found.check_sql) != expected.check_sql:
            yield (
                found.relation,
                f"has a policy '{found.name}' WITH CHECK {found.check_sql}, not {expected.check_sql}",
            )


def policies_hold_for_their_role_and_everything(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """For ALL commands, and of no role but its own: two policies of one role are joined by OR."""
    for found, expected in _pairs(facts, declared):
        if found.command != "ALL" or found.roles != expected.roles or not found.permissive:
            yield (
                found.relation,
                f"has a policy '{found.name}' that is not permissive FOR ALL TO {expected.roles[0]}",
            )


def no_other_policy_exists(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """Permissive policies are joined by OR: one more opens the table."""
    listed = {
        *((table, KEYHOLE) for table in declared.keyhole_columns),
        *(
            (table.name, one.name)
            for table in tenant_tables(facts, declared)
            for one in expected_policies(table, declared)
        ),
    }
    for policy in facts.policies:
        if (policy.relation, policy.name) not in listed:
            yield policy.relation, f"has the policy '{policy.name}', which is not declared: drop it"


def keyhole_policies_are_as_declared(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """The keyhole's role sees all rows of the tables declared for it, for the commands its columns need."""
    found = {policy.relation: policy for policy in facts.policies if policy.name == "keyhole"}
    for table, columns in declared.keyhole_columns.items():
        policy = found.get(table)
        command = columns.policy_command
        expected = Policy(
            relation=table,
            name="keyhole",
            command=command,
            permissive=True,
            roles=(declared.keyhole_role,),
            using_sql="true",
            check_sql="true" if command == "ALL" else None,
        )
        if policy != expected:
            yield table, f"needs exactly the policy 'keyhole' FOR {command} TO {declared.keyhole_role} USING (true)"


def policy_functions_read_as_declared(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """Whoever edits what policies call opens every table at once; only the keyhole's run as another role."""
    for function in facts.functions:
        expected = declared.policy_functions.get(function.name)
        if expected is None:
            continue
        keyhole = function.name in declared.keyhole_functions
        if _words(function.body) != expected or (not keyhole and (function.security_definer or function.settings)):
            yield function.name, f"is called by policies and reads {function.body!r}, not {expected!r}"


def _pairs(facts: Facts, declared: Declared) -> Iterator[tuple[Policy, Policy]]:
    """Yield the policies of tenant tables that are there, each with what it should be."""
    found = {(policy.relation, policy.name): policy for policy in facts.policies}
    for table in tenant_tables(facts, declared):
        for expected in expected_policies(table, declared):
            if (table.name, expected.name) in found:
                yield found[table.name, expected.name], expected


def _words(sql: str | None) -> str | None:
    """Return SQL as PostgreSQL prints it without its line breaks and indents."""
    return None if sql is None else " ".join(sql.split())
