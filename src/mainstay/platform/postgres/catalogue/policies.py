"""Rules over policies: on every tenant table the same one, word for word, and beside it only the keyhole's."""

from collections.abc import Iterator

from mainstay.platform.postgres.catalogue.classes import Problem, tenant_tables
from mainstay.platform.postgres.catalogue.facts import PUBLIC, Facts, Policy, Relation
from mainstay.schema.declared import Declared

_OF_TENANT = (
    "(tenant_id = mainstay.claimed_tenant()) AND (tenant_id = ( SELECT mainstay.current_tenant() AS current_tenant))"
)
OF_TENANT = f"({_OF_TENANT})"
OF_OWNER = (
    f"({_OF_TENANT} AND ((visibility = 'tenant'::text)"
    " OR (owner_id = ( SELECT mainstay.current_principal() AS current_principal))"
    " OR ( SELECT mainstay.sees_all() AS sees_all)))"
)


def expected_condition(table: Relation) -> str:
    """Return the condition of the policy `tenant`: what has an owner and a visibility is hidden inside a tenant too."""
    owned = {"owner_id", "visibility"} <= set(table.columns)
    return OF_OWNER if owned else OF_TENANT


def every_tenant_table_has_its_policy(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """A table without a policy answers with nothing instead of an error."""
    having = {policy.relation for policy in facts.policies if policy.name == "tenant"}
    for table in tenant_tables(facts, declared):
        if table.name not in having:
            yield table.name, "has no policy 'tenant': CALL mainstay.protect for it"


def policies_read_as_expected(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """USING decides which rows are seen, changed and deleted."""
    for table, policy in _tenant_policies(facts, declared):
        if policy.using_sql != expected_condition(table):
            yield table.name, f"has a policy 'tenant' USING {policy.using_sql}, not {expected_condition(table)}"


def policies_check_what_is_written(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """WITH CHECK decides which rows may be put there; without it one tenant could write into another."""
    for table, policy in _tenant_policies(facts, declared):
        if policy.check_sql != expected_condition(table):
            yield table.name, f"has a policy 'tenant' WITH CHECK {policy.check_sql}, not {expected_condition(table)}"


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
        if expected is not None and (function.body != expected or function.security_definer or function.settings):
            yield function.name, f"is called by policies and reads {function.body!r}, not {expected!r}"


def _tenant_policies(facts: Facts, declared: Declared) -> Iterator[tuple[Relation, Policy]]:
    policies = {policy.relation: policy for policy in facts.policies if policy.name == "tenant"}
    for table in tenant_tables(facts, declared):
        if table.name in policies:
            yield table, policies[table.name]
