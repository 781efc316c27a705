"""JSONTestSuite's verdicts on real routes: invalid is refused, valid is taken, and nothing is ever a fault of ours."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from mainstay.control.access.operations import DECLARED
from mainstay.edge.server.bodies import UPLOAD_PATHS
from tests.support.figures import Figures
from tests.support.system import Member, TestSystem

SUITE = Path(__file__).parent / "json_test_suite" / "cases.json"
COUNTS = {"n": 188, "y": 95, "i": 35}
# Valid JSON in which one key stands twice. That is refused on every route, since readers differ in which one they take.
DUPLICATE_KEYS = {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"}
NEVER_UTF8 = b"\xe5"


def documents() -> dict[str, bytes]:
    """Return the suite by name."""
    read: dict[str, str | list] = json.loads(SUITE.read_text(encoding="utf-8"))
    texts = {name: one if isinstance(one, str) else one[0] * one[1] + one[2] for name, one in read.items()}
    return {
        name: text.encode().replace("\N{REPLACEMENT CHARACTER}".encode(), NEVER_UTF8) for name, text in texts.items()
    }


# A document as the whole body, and as the value of a field that these routes ignore: only then can any value be taken.
ROUTES = {
    "/v1/vector_stores": b'{"name": "json", "ignored": %b}',
    "/v1/embeddings": b'{"model": "minilm-l6-v2-int8", "input": "json", "ignored": %b}',
}


@pytest.mark.parametrize("path", ROUTES)
async def test_every_document_gets_its_verdict(system: TestSystem, path: str, record_figure: Figures) -> None:
    tried, wrong = await _try_all(await system.member(), "POST", path, ROUTES[path], known=True)
    record_figure.record(f"JSON on {path}", tried - len(wrong), tried=tried)
    assert wrong == []


@pytest.mark.deep
@pytest.mark.timeout(600)
async def test_every_document_gets_its_verdict_on_every_route(system: TestSystem, record_figure: Figures) -> None:
    """Also where a route takes nothing of what is sent: what is no JSON is refused before the route is asked."""
    member = await system.member("owner")
    sending = [name.split() for name in DECLARED.operations if name.startswith(("POST", "PUT"))]
    operations = [(method, path) for method, path in sending if path not in UPLOAD_PATHS]
    tried, wrong = 0, list[str]()
    for method, path in operations:
        count, found = await _try_all(member, method, re.sub(r"{\w+}", "id", path), b'{"ignored": %b}', known=False)
        tried += count
        wrong += found
    record_figure.record(f"JSON on {len(operations)} operations", tried - len(wrong), tried=tried)
    assert wrong == []


async def _try_all(member: Member, method: str, path: str, around: bytes, *, known: bool) -> tuple[int, list[str]]:
    """Send every document alone and in `around`; return how many were sent, and a sentence for each wrong answer.

    What is valid may be refused by its fields, unless the route is `known` to take it.
    """
    tally = Counter[str]()
    wrong: list[str] = []
    for name, document in documents().items():
        tally[name[0]] += 1
        for body in (document, around % document):
            status, code = await _verdict(member, method, path, body)
            if not _is_right(name, status, code, whole=body is document or not known):
                wrong.append(f"{method} {path}: {name}: {status} {code} {body[:60]!r}")
    assert tally == COUNTS
    return 2 * tally.total(), wrong


async def _verdict(member: Member, method: str, path: str, body: bytes) -> tuple[int, str | None]:
    response = await member.http.request(method, path, content=body, headers={"content-type": "application/json"})
    return response.status_code, response.json().get("error", {}).get("code") if response.status_code != 200 else None


def _is_right(name: str, status: int, code: str | None, *, whole: bool) -> bool:
    if name in DUPLICATE_KEYS:
        return (status, code) == (400, "duplicate_key")
    if name.startswith("n_"):
        return 400 <= status < 500
    if name.startswith("y_"):
        # As the whole body it is read, and then may lack what the route needs.
        return status == 200 or (whole and code in ("invalid_request", "not_found", "unsupported_parameter"))
    return status < 500
