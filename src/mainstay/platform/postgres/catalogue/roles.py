"""Rules over roles: those that serve tenants are weak, and no way leads from them to a stronger one."""

from collections.abc import Iterator

from mainstay.platform.postgres.catalogue.classes import Problem
from mainstay.platform.postgres.catalogue.facts import Facts, Role
from mainstay.schema.declared import Declared


def the_roles_exist_without_login(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """They hold rights; logins are made members of them."""
    found = {role.name: role for role in facts.roles}
    for name in (declared.runtime_role, declared.narrow_role, declared.wide_role, declared.keyhole_role):
        if name not in found:
            yield name, "does not exist: run the migrations"
        elif found[name].login:
            yield name, "can log in: ALTER ROLE … NOLOGIN, and grant it to a login"


def serving_roles_have_no_powers(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """A superuser or a role with BYPASSRLS is not bound; the other powers lead there."""
    for role in _serving(facts, declared):
        if role.powers:
            yield role.name, f"has {', '.join(role.powers)} and serves tenants: ALTER ROLE … NO{role.powers[0]}"


def serving_roles_are_in_no_strong_role(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """Membership in an owner, in the keyhole or in a role that reads everything passes by the policies."""
    owners = {relation.owner for relation in facts.relations} | facts.owner_roles()
    strong = {role.name for role in facts.roles if role.powers} | owners | {declared.keyhole_role}
    for role in _serving(facts, declared):
        for other in sorted(role.memberships):
            if other in strong or other.startswith("pg_"):
                yield (
                    role.name,
                    f"is a member of {other}, whom row security does not bind or bind alike: REVOKE {other}",
                )


def serving_roles_own_nothing(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """An owner may switch row security off."""
    serving = {role.name for role in _serving(facts, declared)} - {declared.keyhole_role}
    owned = [(r.name, r.owner) for r in facts.relations] + [(f.name, f.owner) for f in facts.functions]
    owned += [(owner.schema or "the database", owner.role) for owner in facts.owners]
    for name, owner in owned:
        if owner in serving:
            yield name, f"belongs to {owner}, which serves tenants: ALTER … OWNER TO the owner of the schema"


def only_the_owner_is_in_the_keyhole(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """Roles belong to the whole server: the owner of another database in it must not be able to enter this one."""
    owners = facts.owner_roles()
    for role in facts.roles:
        if declared.keyhole_role in role.memberships and role.connects and role.name not in owners:
            yield (
                role.name,
                f"is in {declared.keyhole_role} and may connect: revoke that, or CONNECT ON DATABASE … FROM PUBLIC",
            )


def extensions_are_listed(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """An extension brings functions that no policy binds; some open connections of their own."""
    for name in facts.names_of("extension"):
        if name not in declared.extensions:
            yield name, "is an extension that is not declared: drop it, or declare it after reading what it opens"


def no_door_leads_to_other_databases(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """Through a foreign server the rows of this or another database are reached as another role."""
    for name in facts.names_of("foreign server"):
        yield name, "is a foreign server: drop it"


def _serving(facts: Facts, declared: Declared) -> list[Role]:
    """The runtime role, whoever is in it and does not own the schema, and the keyhole's role."""
    names = (declared.runtime_role, declared.keyhole_role)
    owners = facts.owner_roles()
    return [
        role
        for role in facts.roles
        if role.name in names or (declared.runtime_role in role.memberships and role.name not in owners)
    ]
