"""Rules over policies: on every tenant table one that is known word for word, and beside it only the keyhole's."""

from collections.abc import Iterator

from mainstay.platform.postgres.catalogue.classes import Problem, tenant_tables
from mainstay.platform.postgres.catalogue.facts import PUBLIC, Facts, Policy, Relation
from mainstay.schema.declared import Declared

_OF_TENANT = (
    "(tenant_id = mainstay.claimed_tenant()) AND (tenant_id = ( SELECT mainstay.current_tenant() AS current_tenant))"
)
OF_TENANT = f"({_OF_TENANT})"
SEES_ALL = "( SELECT mainstay.sees_all() AS sees_all)"
OF_OWNER = "(visibility = 'tenant'::text) OR (owner_id = ( SELECT mainstay.current_principal() AS current_principal))"
# What these columns name may be hidden inside a tenant, so a table that has one is hidden with it.
_HIDEABLE = frozenset(
    {"store_id", "document_id", "version_id", "chunk_id", "generation_id", "file_id", "answer_id", "conversation_id"}
)


def expected_condition(table: Relation, declared: Declared) -> str:
    """Return the condition of the policy `tenant`: what is owned or declared is hidden inside a tenant too."""
    shown = declared.policies.get(table.name)
    if shown is None and {"owner_id", "visibility"} <= set(table.columns):
        shown = OF_OWNER
    return OF_TENANT if shown is None else f"({_OF_TENANT} AND ({SEES_ALL} OR {shown}))"


def children_hide_with_their_parents(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """A row that names what may be hidden is hidden with it, or tells of it."""
    for table in tenant_tables(facts, declared):
        named = sorted(_HIDEABLE & set(table.columns))
        if named and expected_condition(table, declared) == OF_TENANT and table.name not in declared.open_children:
            yield table.name, f"names a {', '.join(named)} and is seen by the whole tenant: CALL mainstay.narrow for it"


def every_tenant_table_has_its_policy(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """A table without a policy answers with nothing instead of an error."""
    having = {policy.relation for policy in facts.policies if policy.name == "tenant"}
    for table in tenant_tables(facts, declared):
        if table.name not in having:
            yield table.name, "has no policy 'tenant': CALL mainstay.protect for it"


def policies_read_as_expected(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """USING decides which rows are seen, changed and deleted."""
    for table, policy in _tenant_policies(facts, declared):
        if _words(policy.using_sql) != expected_condition(table, declared):
            yield (
                table.name,
                f"has a policy 'tenant' USING {policy.using_sql}, not {expected_condition(table, declared)}",
            )


def policies_check_what_is_written(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """WITH CHECK decides which rows may be put there; without it one tenant could write into another."""
    for table, policy in _tenant_policies(facts, declared):
        if _words(policy.check_sql) != expected_condition(table, declared):
            yield (
                table.name,
                f"has a policy 'tenant' WITH CHECK {policy.check_sql}, not {expected_condition(table, declared)}",
            )


def policies_hold_for_everyone_and_everything(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """For ALL commands and PUBLIC; with a narrower one the rest of the roles would see nothing, without an error."""
    for table, policy in _tenant_policies(facts, declared):
        if policy.command != "ALL" or policy.roles != (PUBLIC,) or not policy.permissive:
            yield table.name, "has a policy 'tenant' that is not permissive FOR ALL TO PUBLIC"


def no_other_policy_exists(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """Permissive policies are joined by OR: one more opens the table."""
    for policy in facts.policies:
        listed = policy.name == "tenant" or (policy.name == "keyhole" and policy.relation in declared.keyhole_columns)
        if not listed:
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
    """Whoever edits what policies call opens every table at once."""
    for function in facts.functions:
        expected = declared.policy_functions.get(function.name)
        if expected is not None and (
            _words(function.body) != expected or function.security_definer or function.settings
        ):
            yield function.name, f"is called by policies and reads {function.body!r}, not {expected!r}"


def _tenant_policies(facts: Facts, declared: Declared) -> Iterator[tuple[Relation, Policy]]:
    policies = {policy.relation: policy for policy in facts.policies if policy.name == "tenant"}
    for table in tenant_tables(facts, declared):
        if table.name in policies:
            yield table, policies[table.name]


def _words(sql: str | None) -> str | None:
    """Return SQL as PostgreSQL prints it without its line breaks and indents."""
    return None if sql is None else " ".join(sql.split())
