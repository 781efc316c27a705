"""The second wall: each query names its tenant itself, for every table that it reads or changes.

Row security is what isolates. The filters let each query reach its rows by an index that leads with the tenant, and
would still hold where a policy failed; so none may be missing, and none stands twice.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import mainstay
from mainstay.platform.postgres.queries import Query, parse_queries

ROOT = Path(mainstay.__file__).parent
_STRINGS = re.compile(r"'(?:[^']|'')*'")
_TABLE = re.compile(
    r"\b(?P<verb>FROM|JOIN|UPDATE|USING|INTO)\s+mainstay\.(?P<table>\w+)(?:\s+(?:AS\s+)?(?P<alias>(?!SET\b|WHERE\b|ON\b|"
    r"ORDER\b|LEFT\b|JOIN\b|CROSS\b|SELECT\b|VALUES\b|USING\b|GROUP\b)[a-z]\w*))?"
)
_EQUAL = re.compile(r"(?:(?P<left>\w+)\.)?tenant_id = (?:(?P<right>\w+)\.tenant_id|(?P<param>\$\d+))")
_SET = re.compile(r"tenant_id(?:,\s*\w+)*\)\s*(?:VALUES \(|SELECT )(?P<param>\$\d+)")


def all_queries() -> Mapping[str, Query]:
    """Return the queries of all slices by `folder:name`."""
    return {
        f"{file.parent.relative_to(ROOT).as_posix()}:{query.name}": query
        for file in sorted(ROOT.rglob("queries.sql"))
        for query in parse_queries(file.read_text("utf-8"), origin=str(file)).values()
    }


def unfiltered(query: Query, tenant_tables: frozenset[str]) -> list[str]:
    """Return what a query does to a tenant table without naming its tenant exactly once."""
    sql = _STRINGS.sub("''", query.sql)
    tenant = f"${query.params.index('tenant_id') + 1}" if "tenant_id" in query.params else None
    used: Counter[str] = Counter()
    wrong: list[str] = []
    for match in _TABLE.finditer(sql):
        if f"mainstay.{match['table']}" not in tenant_tables:
            continue
        if match["verb"] == "INTO":
            given = re.search(r"\((?=tenant_id\b)" + _SET.pattern, sql[match.end() :])
            if given is None or given["param"] != tenant:
                wrong.append(f"INSERT INTO {match['table']} gives no tenant of its own")
        else:
            used[match["alias"] or ""] += 1
    bound: Counter[str] = Counter()
    pairs = 0
    for match in _EQUAL.finditer(sql):
        if match["param"] and match["param"] != tenant:
            continue
        pairs += 1
        for alias in {match["left"] or "", *([match["right"]] if match["right"] else [])}:
            bound[alias] += 1
    wrong += [f"'{alias}' is not bound to the tenant" for alias, count in used.items() if bound[alias] < count]
    if pairs != used.total():
        wrong.append(f"{used.total()} uses of tenant tables have {pairs} filters")
    return wrong


def without_each_filter(query: Query) -> Iterator[tuple[str, Query]]:
    """Yield the query without one of its filters, for each of them."""
    for match in _EQUAL.finditer(query.sql):
        before, after = query.sql[: match.start()], query.sql[match.end() :]
        yield match[0], Query(query.name, query.purpose, f"{before}true{after}", query.params)
