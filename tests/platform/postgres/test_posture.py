"""A role that could see past row security never serves (goal S.T7): real roles, versions as the catalogue has them."""

import secrets
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest

from mainstay.platform.postgres.posture import UnsafeDatabase, complaint, require_safe_role
from mainstay.platform.postgres.safe_versions import safe_versions
from tests.support.database import OWNER_LOGIN, PASSWORD, DatabaseUrls, at

DEADLINE_S = 5

# A role that keeps tenants apart, as the query over the catalogue describes it.
SAFE: dict[str, object] = {
    "role": "app",
    "rolsuper": False,
    "rolbypassrls": False,
    "rolcreaterole": False,
    "rolreplication": False,
    "version": 180006,
    "pgvector": "0.8.6",
    "owned": 0,
    "strong_roles": None,
}


@pytest.fixture
async def role(superuser_url: str) -> AsyncIterator[str]:
    """The name of a role that the test may create; it is dropped afterwards."""
    name = f"mainstay_test_{secrets.token_hex(4)}"
    yield name
    connection = await asyncpg.connect(superuser_url)
    await connection.execute(f"DROP ROLE IF EXISTS {name}")
    await connection.close()


async def sentence_of(url: str) -> str:
    """Return the one sentence with which the role of `url` is refused, in time."""
    started = time.monotonic()
    with pytest.raises(UnsafeDatabase) as refused:
        await require_safe_role(url)
    assert time.monotonic() - started < DEADLINE_S
    assert "\n" not in str(refused.value)
    return str(refused.value)


async def test_runtime_role_is_taken(database_urls: DatabaseUrls) -> None:
    await require_safe_role(database_urls.app)


async def test_superuser_is_refused(database_urls: DatabaseUrls) -> None:
    assert "is a superuser and so may bypass row security; use two roles" in await sentence_of(database_urls.superuser)


async def test_owner_is_refused(database_urls: DatabaseUrls) -> None:
    assert f"The role '{OWNER_LOGIN}' owns" in await sentence_of(database_urls.owner)


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("CREATE ROLE {role} LOGIN BYPASSRLS PASSWORD '{password}'", "has BYPASSRLS and so may bypass"),
        ("CREATE ROLE {role} LOGIN REPLICATION PASSWORD '{password}'", "has REPLICATION and so may bypass"),
        ("CREATE ROLE {role} LOGIN CREATEROLE PASSWORD '{password}'", "has CREATEROLE and so may bypass"),
        (
            "CREATE ROLE {role} LOGIN PASSWORD '{password}' IN ROLE {owner}",
            f"{OWNER_LOGIN}, which row security does not bind",
        ),
        (
            "CREATE ROLE {role} LOGIN NOINHERIT PASSWORD '{password}' IN ROLE {owner}",
            f"{OWNER_LOGIN}, which row security does not bind",
        ),
        ("CREATE ROLE {role} LOGIN PASSWORD '{password}' IN ROLE mainstay_keyhole", "is a member of mainstay_keyhole"),
        (
            "CREATE ROLE {role} LOGIN PASSWORD '{password}' IN ROLE pg_read_server_files",
            "is a member of pg_read_server_files",
        ),
    ],
)
async def test_strong_role_is_refused(database_urls: DatabaseUrls, role: str, statement: str, sentence: str) -> None:
    connection = await asyncpg.connect(database_urls.superuser)
    await connection.execute(statement.format(role=role, password=PASSWORD, owner=OWNER_LOGIN))
    await connection.close()
    assert sentence in await sentence_of(at(database_urls.superuser, user=role, password=PASSWORD))


@pytest.mark.parametrize(
    "url", ["postgresql://nobody@127.0.0.1:1/none", "http://example.invalid/none", "no url at all"]
)
async def test_wrong_address_is_one_sentence(url: str) -> None:
    assert "check the host, port, user and password of DATABASE_URL" in await sentence_of(url)


def test_safe_role_has_no_complaint() -> None:
    assert complaint(SAFE) is None


FLOORS = {major: floor.minor_min for major, floor in safe_versions().floors.items()}


@pytest.mark.parametrize(("major", "floor"), sorted(FLOORS.items()))
def test_minor_release_is_held_to_its_floor(major: int, floor: int) -> None:
    assert complaint({**SAFE, "version": major * 10000 + floor}) is None
    for minor in range(floor):
        said = complaint({**SAFE, "version": major * 10000 + minor})
        assert said is not None
        assert f"PostgreSQL {major}.{minor} has known leaks" in said
        assert f"{major}.{floor} or later" in said


def test_floors_are_at_least_those_of_the_goal() -> None:
    assert all(FLOORS[major] >= floor for major, floor in {15: 14, 16: 10, 17: 6, 18: 0}.items())


def test_floors_are_dated_and_give_their_reason() -> None:
    known = safe_versions()
    assert known.looked_up < known.stale_on
    assert all("CVE-" in floor.because for floor in known.floors.values())


@pytest.mark.parametrize("version", [90624, 130020, 140019])
def test_old_major_release_is_refused(version: int) -> None:
    assert (
        complaint({**SAFE, "version": version})
        == f"PostgreSQL {version // 10000} is too old: Mainstay needs 15 or later."
    )


def test_later_major_release_is_taken() -> None:
    assert complaint({**SAFE, "version": 190000}) is None


@pytest.mark.parametrize(
    ("found", "sentence"), [(None, "has no pgvector"), ("0.7.4", "is too old"), ("0.8.0", None), ("0.10.0", None)]
)
def test_pgvector_is_held_to_its_floor(found: str | None, sentence: str | None) -> None:
    said = complaint({**SAFE, "pgvector": found})
    assert said is None if sentence is None else sentence in str(said)
