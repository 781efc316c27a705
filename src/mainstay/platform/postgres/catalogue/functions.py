"""Rules over functions: only the keyhole's run with rights that their caller has not, and they give out little."""

from collections.abc import Iterator

from mainstay.platform.postgres.catalogue.classes import Problem
from mainstay.platform.postgres.catalogue.facts import Facts, Function
from mainstay.schema.declared import Declared

KEYHOLE = "keyhole"
_SEARCH_PATH = "search_path=pg_catalog, pg_temp"
_ID_AND_COUNT_TYPES = frozenset({"uuid", "uuid[]", "bigint", "integer", "double precision", "boolean"})


def definers_stand_in_the_keyhole(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """A SECURITY DEFINER function sees what its owner sees; such functions are a closed list."""
    for function in facts.functions:
        if function.security_definer and function.name not in declared.keyhole_functions:
            yield (
                function.name,
                "is SECURITY DEFINER and not declared for the keyhole: make it an INVOKER, or declare it with a reason",
            )


def keyhole_functions_are_definers(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """What stands in the schema keyhole is there to look across tenants."""
    for function in _keyhole(facts):
        if not function.security_definer:
            yield function.name, "stands in the keyhole without SECURITY DEFINER: move it to the schema mainstay"


def keyhole_functions_have_the_weak_owner(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """They run as a role that has no login and sees only the columns granted to it."""
    for function in _keyhole(facts):
        if function.owner != declared.keyhole_role:
            yield (
                function.name,
                f"runs as {function.owner}: CALL mainstay.open_keyhole, so that it runs as {declared.keyhole_role}",
            )


def keyhole_functions_fix_their_search_path(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """With the caller's search path the caller decides which operator or table a name means."""
    for function in _keyhole(facts):
        if function.settings != (_SEARCH_PATH,):
            yield function.name, f"must have exactly the setting {_SEARCH_PATH}, not {list(function.settings)}"


def keyhole_functions_are_parsed(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """A body of BEGIN ATOMIC is bound when it is created: no name can trick it, and it builds no SQL from text."""
    for function in _keyhole(facts):
        if function.body is None:
            yield function.name, "has its body as a string: write it as LANGUAGE sql BEGIN ATOMIC … END"


def keyhole_functions_return_what_is_declared(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """One more column is one more thing that crosses from tenant to tenant."""
    for function in _keyhole(facts):
        entry = declared.keyhole_functions.get(function.name)
        if entry is not None and entry.returns != function.returns:
            yield function.name, f"returns {list(function.returns)}, and {list(entry.returns)} is declared"


def keyhole_functions_return_ids_counts_and_codes(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """Never what a person wrote: text comes out only where it is one of a few words of ours."""
    for function in _keyhole(facts):
        for column in function.returns:
            name, _, kind = column.partition(" ")
            kind = kind or name
            if kind not in _ID_AND_COUNT_TYPES and not (kind in ("text", "text[]") and name in declared.keyhole_codes):
                yield function.name, f"returns '{column}', which is no id, count or declared code"


def keyhole_functions_are_open_to_the_runtime_alone(facts: Facts, declared: Declared) -> Iterator[Problem]:
    """Whoever may call one sees across tenants; some are for the owner's maintenance only."""
    owners = facts.owner_roles()
    for grant in facts.grants:
        entry = declared.keyhole_functions.get(grant.object) if grant.kind == "function" else None
        if entry is None:
            continue
        allowed = owners | ({declared.runtime_role} if entry.runtime else set[str]())
        if grant.grantee not in allowed:
            yield grant.object, f"may be called by {grant.grantee}, which is not declared: revoke it"


def _keyhole(facts: Facts) -> list[Function]:
    return [function for function in facts.functions if function.schema == KEYHOLE]
