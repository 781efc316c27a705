"""What is encoded by us is read back by PostgreSQL as it was."""

from collections.abc import AsyncIterator

import asyncpg
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mainstay.platform.postgres.codecs import encode_halfvecs, install_codecs
from tests.support.database import DatabaseUrls


@pytest.fixture
async def connection(database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(database_urls.app)
    await install_codecs(opened)
    yield opened
    await opened.close()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(numbers=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=50))
async def test_integers_come_back_from_lists_and_arrays(connection: asyncpg.Connection, numbers: list[int]) -> None:
    for given_as in (numbers, np.array(numbers, dtype=np.int64)):
        row = await connection.fetchrow("SELECT $1::bigint[]::text AS seen, $1::bigint[] AS numbers", given_as)
        assert row is not None
        assert row["seen"] == "{" + ",".join(map(str, numbers)) + "}"
        assert row["numbers"] == numbers


async def test_integers_that_do_not_fit_are_refused(connection: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.DataError):
        await connection.fetchval("SELECT $1::bigint[]", [2**63])
    assert await connection.fetchval("SELECT $1::bigint[] IS NULL", None)


async def test_rows_of_a_matrix_come_back_as_halves(connection: asyncpg.Connection) -> None:
    vectors = np.random.default_rng(3).normal(size=(5, 16)).astype(np.float32)
    one_by_one = await connection.fetch("SELECT unnest($1::halfvec[]) AS v", [memoryview(row) for row in vectors])
    at_once = await connection.fetch("SELECT unnest($1::halfvec[]) AS v", encode_halfvecs(vectors))
    assert len(at_once) == len(vectors)
    for vector, row, other in zip(vectors, at_once, one_by_one, strict=True):
        assert np.array_equal(row["v"], vector.astype(np.float16).astype(np.float32))
        assert np.array_equal(row["v"], other["v"])
