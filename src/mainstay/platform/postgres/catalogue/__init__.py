"""The check over the catalogue: what stands in the database keeps tenants apart, or is named with what to do.

It serves the tests, `mainstay doctor`, and the drill after a restore; it reads the catalogue alone, as any role.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import asyncpg

from mainstay.kernel.errors import invariant
from mainstay.platform.postgres.catalogue import classes, functions, policies, relations, rights, roles
from mainstay.platform.postgres.catalogue.classes import Class, Problem, classify, tenant_tables
from mainstay.platform.postgres.catalogue.facts import Facts, read_facts
from mainstay.schema.declared import Declared

__all__ = ["RULES", "Class", "Facts", "Finding", "Report", "inspect", "tenant_tables"]

Rule = Callable[[Facts, Declared], Iterable[Problem]]

RULES: tuple[Rule, ...] = (
    classes.everything_has_a_class,
    classes.a_tenant_table_is_declared_nowhere,
    classes.declarations_name_what_exists,
    relations.row_security_is_enabled,
    relations.row_security_is_forced,
    relations.tenant_column_is_a_uuid_and_not_null,
    relations.primary_key_leads_with_the_tenant,
    relations.unique_keys_hold_within_a_tenant,
    relations.foreign_keys_carry_the_tenant,
    relations.rows_belong_to_a_known_tenant,
    relations.tables_are_logged_and_local,
    relations.nothing_inherits,
    relations.partitions_are_reached_through_their_parent,
    relations.views_run_as_their_caller,
    relations.copies_are_not_readable,
    relations.sequences_are_closed,
    relations.tables_have_no_rewrite_rules,
    relations.nothing_is_reached_elsewhere,
    policies.every_tenant_table_has_its_policies,
    policies.policies_read_as_expected,
    policies.policies_check_what_is_written,
    policies.children_hide_with_their_parents,
    policies.policies_hold_for_their_role_and_everything,
    policies.no_other_policy_exists,
    policies.keyhole_policies_are_as_declared,
    policies.policy_functions_read_as_declared,
    rights.public_has_no_rights,
    rights.nobody_has_rights_past_the_policies,
    rights.only_known_roles_have_rights,
    rights.rights_are_not_handed_on,
    rights.only_owners_create_in_schemas,
    rights.defaults_grant_nothing,
    rights.shared_rows_are_read_only,
    rights.append_only_rows_have_no_other_rights,
    rights.append_only_rows_are_guarded,
    rights.triggers_are_declared,
    rights.keyhole_sees_its_columns_alone,
    rights.owners_are_bound_by_row_security,
    rights.one_role_owns_all_tables,
    functions.definers_stand_in_the_keyhole,
    functions.keyhole_functions_are_definers,
    functions.keyhole_functions_have_the_weak_owner,
    functions.keyhole_functions_fix_their_search_path,
    functions.keyhole_functions_are_parsed,
    functions.keyhole_functions_return_what_is_declared,
    functions.keyhole_functions_return_ids_counts_and_codes,
    functions.keyhole_functions_are_open_to_the_runtime_alone,
    roles.the_roles_exist_without_login,
    roles.serving_roles_have_no_powers,
    roles.serving_roles_are_in_no_strong_role,
    roles.serving_roles_own_nothing,
    roles.only_the_owner_is_in_the_keyhole,
    roles.extensions_are_listed,
    roles.no_door_leads_to_other_databases,
)


@dataclass(frozen=True)
class Finding:
    """One thing that breaks a rule: the rule's name, the object, and a sentence with what to do."""

    rule: str
    object: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.object}: {self.rule}: {self.sentence}"


@dataclass(frozen=True)
class Report:
    """What was looked at and what was found; `classes` has every object of our schemas."""

    findings: tuple[Finding, ...]
    classes: dict[str, Class | None]

    def summary(self) -> str:
        """Return one line with the figures."""
        counts = Counter(found or "unclassified" for found in self.classes.values())
        parts = ", ".join(f"{counts[name]} {name}" for name in ("tenant", "shared", "system", "unclassified"))
        return f"catalogue: {len(self.classes)} objects ({parts}), {len(RULES)} checks, {len(self.findings)} findings"


async def inspect(connection: asyncpg.Connection, declared: Declared) -> Report:
    """Hold the database behind `connection` to all rules; raises AssertionError where it has none of our objects."""
    async with connection.transaction():
        facts = await read_facts(connection, declared)
    found = classify(facts, declared)
    invariant(bool(found), f"the schemas {', '.join(declared.schemas)} are empty: run the migrations before the check")
    findings = [Finding(rule.__name__, name, sentence) for rule in RULES for name, sentence in rule(facts, declared)]
    return Report(tuple(findings), found)
