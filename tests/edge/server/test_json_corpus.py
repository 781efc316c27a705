"""JSONTestSuite's verdicts on real routes: invalid is refused, valid is taken, and nothing is ever a fault of ours."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import Tell
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
async def test_every_document_gets_its_verdict(system: TestSystem, path: str, tell: Tell) -> None:
    member = await system.member()
    tally = Counter[str]()
    wrong: list[str] = []
    for name, document in documents().items():
        tally[name[0]] += 1
        for body in (document, ROUTES[path] % document):
            status, code = await _verdict(member, path, body)
            if not _is_right(name, status, code, whole=body is document):
                wrong.append(f"{name}: {status} {code} {body[:60]!r}")
    tell(f"JSON on {path}: {tally.total()} tried twice, {len(wrong)} wrong, 0 skipped, {dict(tally)}")
    assert wrong == []
    assert tally == COUNTS


async def _verdict(member: Member, path: str, body: bytes) -> tuple[int, str | None]:
    response = await member.http.post(path, content=body, headers={"content-type": "application/json"})
    return response.status_code, response.json().get("error", {}).get("code") if response.status_code != 200 else None


def _is_right(name: str, status: int, code: str | None, *, whole: bool) -> bool:
    if name in DUPLICATE_KEYS:
        return (status, code) == (400, "duplicate_key")
    if name.startswith("n_"):
        return 400 <= status < 500
    if name.startswith("y_"):
        # As the whole body it is read, and then may lack what the route needs.
        return status == 200 or (whole and code == "invalid_request")
    return status < 500
