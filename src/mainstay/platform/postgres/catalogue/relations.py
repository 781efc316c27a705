"""Rules over tables and what stands beside them: their shape keeps each row with one tenant."""

from collections.abc import Iterator

from mainstay.platform.postgres.catalogue.classes import KINDS, TABLES, Problem, class_of, tenant_tables
from mainstay.platform.postgres.catalogue.facts import Facts
from mainstay.schema.declared import Declared


def row_security_is_enabled(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """Without it policies are only text."""
    for table in tenant_tables(facts, declared):
        if not table.row_security:
            yield table.name, "has no row security: CALL mainstay.protect for it"


def row_security_is_forced(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """Without FORCE the owner sees every tenant, and so does whatever runs as the owner."""
    for table in tenant_tables(facts, declared):
        if not table.forced:
            yield table.name, "does not force row security upon its owner: ALTER TABLE … FORCE ROW LEVEL SECURITY"


def tenant_column_is_a_uuid_and_not_null(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """A row without a tenant would be nobody's, and a foreign key with NULL in it is never checked."""
    for table in tenant_tables(facts, declared):
        if table.tenant_type != "uuid NOT NULL":
            yield table.name, f"has a tenant_id of type {table.tenant_type}: make it uuid NOT NULL"


def primary_key_leads_with_the_tenant(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """The key is the tenant's own, and its index is how every query of one tenant finds its rows."""
    leading = {key.relation: key.columns[0] for key in facts.keys if key.primary}
    for table in tenant_tables(facts, declared):
        if leading.get(table.name) != "tenant_id":
            yield table.name, "has no primary key that begins with tenant_id"


def unique_keys_hold_within_a_tenant(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """A key across tenants tells one of them what another has."""
    tables = {table.name for table in tenant_tables(facts, declared)}
    for key in facts.keys:
        if key.relation in tables and "tenant_id" not in key.columns and key.name not in declared.unique:
            yield (
                key.name,
                f"is unique across tenants ({', '.join(key.columns)}): put tenant_id first, or declare it",
            )


def foreign_keys_carry_the_tenant(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """Foreign keys pass by row security: without the tenant on both sides a row may hang on another tenant's."""
    tables = {table.name for table in tenant_tables(facts, declared)}
    for key in facts.foreign_keys:
        if key.referenced in tables and ("tenant_id", "tenant_id") not in zip(
            key.columns, key.referenced_columns, strict=True
        ):
            yield (
                f"{key.relation}.{key.name}",
                f"refers to {key.referenced} without the tenant: use (tenant_id, …) on both sides",
            )


def rows_belong_to_a_known_tenant(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """Directly or through others, every table refers to its tenant, so that no row outlives or precedes one."""
    tables = {table.name: table for table in tenant_tables(facts, declared)}
    anchored = {key.relation for key in facts.keys if key.primary and key.columns == ("tenant_id",)} & tables.keys()
    grown = True
    while grown:
        more = {key.relation for key in facts.foreign_keys if key.referenced in anchored} - anchored
        more |= {name for name, table in tables.items() if table.is_partition and table.parent in anchored} - anchored
        anchored, grown = anchored | more, bool(more)
    for name in sorted(tables.keys() - anchored - declared.unanchored.keys()):
        yield name, "refers to no tenant: REFERENCES mainstay.tenants or a table that does, or declare it with a reason"


def tables_are_logged_and_local(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """An unlogged table is empty after a crash; a foreign one keeps its rows where our policies do not reach."""
    for relation in facts.relations:
        if relation.schema in declared.schemas and (
            relation.kind == "f" or (relation.kind in TABLES and relation.persistence != "p")
        ):
            yield relation.name, "is foreign, unlogged or temporary: make it an ordinary table"


def nothing_inherits(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """A child of old-style inheritance is a second way to its rows with policies of its own."""
    for relation in facts.relations:
        if relation.schema in declared.schemas and relation.parent and not relation.is_partition:
            yield relation.name, f"inherits from {relation.parent}: use partitions or a table of its own"


def partitions_are_reached_through_their_parent(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """Policies of the parent do not hold on a partition that is queried directly."""
    partitions = {relation.name for relation in facts.relations if relation.is_partition}
    for grant in facts.grants:
        if grant.kind in ("relation", "column") and grant.object in partitions:
            yield grant.object, f"is a partition that {grant.grantee} may {grant.privilege}: grant on its parent alone"


def views_run_as_their_caller(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """A view runs with the rights of its owner unless told otherwise, and a superuser's view passes by every policy."""
    for relation in facts.relations:
        if relation.schema in declared.schemas and relation.kind == "v" and not relation.security_invoker:
            yield relation.name, "runs with its owner's rights: WITH (security_invoker = true)"


def copies_are_not_readable(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """Row security never holds on a materialised view."""
    copies = {relation.name for relation in facts.relations if relation.kind == "m"}
    for grant in facts.grants:
        if grant.object in copies:
            yield grant.object, f"is a materialised view that {grant.grantee} may {grant.privilege}: revoke it"


def sequences_are_closed(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """A shared counter tells how much other tenants do; ids are made by the application."""
    sequences = {relation.name for relation in facts.relations if relation.kind == "S"}
    for grant in facts.grants:
        if grant.object in sequences:
            yield grant.object, f"is a sequence that {grant.grantee} may {grant.privilege}: revoke it"


def tables_have_no_rewrite_rules(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """A rule runs its actions with the rights of the table's owner."""
    for relation in facts.relations:
        for rule in relation.rewrite_rules:
            if relation.schema in declared.schemas:
                yield relation.name, f"has the rewrite rule '{rule}': drop it"


def nothing_is_reached_elsewhere(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """What the runtime role reaches in other schemas is under no rule of ours."""
    for relation in facts.relations:
        if relation.schema not in declared.schemas and class_of(relation, declared) not in ("shared", "system"):
            yield (
                relation.name,
                f"is a {KINDS[relation.kind]} outside our schemas that {declared.runtime_role} reaches: revoke it",
            )
    for function in facts.functions:
        if function.schema not in declared.schemas:
            yield function.name, f"is a function outside our schemas that {declared.runtime_role} may call: revoke it"
