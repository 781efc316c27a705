"""Both legs score exactly, what is retired is gone at once, and merges change nothing that a search shows."""

import asyncio
from collections.abc import Sequence
from contextvars import Context
from uuid import UUID

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mainstay.kernel.ids import new_id
from mainstay.knowledge.retrieval import fusion, service, store
from mainstay.knowledge.retrieval.errors import EmbeddingMismatch, InvalidSearch, NotRetrievable
from mainstay.knowledge.retrieval.models import Filter, Found
from mainstay.platform.postgres import Database
from tests.knowledge.retrieval.bm25 import bm25
from tests.support.retrieval import (
    DIMENSIONS,
    IndexedVersion,
    add_document_version,
    index_texts,
    make_chunks,
    make_store,
    make_vectors,
)
from tests.support.tenants import TestTenant

# No function words, and their own stems.
WORDS = ("tide", "moon", "harbor", "kelp", "gull", "salt", "drift", "reef")
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)
versions = st.lists(st.lists(texts, min_size=1, max_size=4), min_size=1, max_size=12)


async def new_store(database: Database, tenant: TestTenant) -> UUID:
    async with database.write(tenant.admin, unaudited="a test") as tx:
        return await make_store(tx)


async def add(database: Database, tenant: TestTenant, store_id: UUID, chunks: Sequence[str]) -> IndexedVersion:
    async with database.write(tenant.admin, unaudited="a test") as tx:
        return await index_texts(tx, store_id, chunks)


async def retire(database: Database, tenant: TestTenant, store_id: UUID, version_id: UUID) -> int:
    async with database.write(tenant.admin, unaudited="a test") as tx:
        return await service.retire_version(tx, store_id, version_id)


async def merge_all(database: Database, tenant: TestTenant, store_id: UUID) -> int:
    merges = 0
    while True:
        async with database.write(tenant.admin, unaudited="a test") as tx:
            if not await service.merge_segments(tx, store_id):
                return merges
        merges += 1


async def look(
    database: Database, tenant: TestTenant, store_id: UUID, query: str, *, limit: int = 100, **options: object
) -> Found:
    async with database.read(tenant.admin) as tx:
        return await service.search(tx, store_id=store_id, query=query, vector=None, limit=limit, **options)  # pyright: ignore[reportArgumentType]


def lexical(found: Found) -> list[tuple[float, str]]:
    return sorted((round(passage.lexical_score, 9), passage.text) for passage in found.passages)


def expected(live: Sequence[str], query: str) -> list[tuple[float, str]]:
    return sorted((round(score, 9), text) for score, text in zip(bm25(live, query), live, strict=True) if score > 0)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(versions=versions, query=texts, data=st.data())
async def test_lexical_scores_equal_plain_bm25_through_retirements_and_merges(
    database: Database, tenant: TestTenant, versions: list[list[str]], query: str, data: st.DataObject
) -> None:
    store_id = await new_store(database, tenant)
    added = [await add(database, tenant, store_id, chunks) for chunks in versions]
    live = [text for version in added for text in version.texts]
    assert lexical(await look(database, tenant, store_id, query)) == expected(live, query)
    await merge_all(database, tenant, store_id)
    assert lexical(await look(database, tenant, store_id, query)) == expected(live, query)
    gone = data.draw(st.sets(st.sampled_from(range(len(added)))))
    for index in gone:
        assert await retire(database, tenant, store_id, added[index].version_id) == len(added[index].texts)
    live = [text for index, version in enumerate(added) if index not in gone for text in version.texts]
    assert lexical(await look(database, tenant, store_id, query)) == expected(live, query)
    await merge_all(database, tenant, store_id)
    assert lexical(await look(database, tenant, store_id, query)) == expected(live, query)


async def test_merges_pack_many_versions_into_one_segment(database: Database, tenant: TestTenant) -> None:
    store_id = await new_store(database, tenant)
    added = [await add(database, tenant, store_id, [f"tide number{index}", "moon"]) for index in range(20)]
    before = await look(database, tenant, store_id, "tide number7 moon", limit=40)
    # A worker of another test may take the merge job first; what counts is what is left.
    await merge_all(database, tenant, store_id)
    async with database.read(tenant.admin) as tx:
        generation = await store.find_generation(tx, store_id)
        assert generation is not None
        assert len(await store.list_segments(tx, generation.id)) <= len(added) // 2
    after = await look(database, tenant, store_id, "tide number7 moon", limit=40)
    assert [one.text for one in after.passages] == [one.text for one in before.passages]
    # Terms are summed in the order in which their blocks are read, so a merge may move the last bit of a score.
    np.testing.assert_allclose(
        [one.fused_score for one in after.passages], [one.fused_score for one in before.passages], rtol=1e-12
    )
    assert len(after.passages) == 2 * len(added)


async def test_vector_scores_are_cosines_and_ranks_count_from_one(database: Database, tenant: TestTenant) -> None:
    store_id = await new_store(database, tenant)
    vectors = make_vectors(6, seed=3)
    async with database.write(tenant.admin, unaudited="a test") as tx:
        await index_texts(tx, store_id, ["tide", "moon", "kelp", "gull", "salt", "reef"], vectors=vectors)
    async with database.read(tenant.admin) as tx:
        found = await service.search(tx, store_id=store_id, query="kelp", vector=vectors[0], limit=6)
    cosines = {passage.ordinal: passage.vector_score for passage in found.passages}
    np.testing.assert_allclose([cosines[index] for index in range(6)], vectors @ vectors[0], atol=2e-3)
    by_vector = sorted(found.passages, key=lambda passage: passage.vector_rank or 0)
    assert [passage.vector_rank for passage in by_vector] == [1, 2, 3, 4, 5, 6]
    assert by_vector[0].text == "tide"
    assert [passage.lexical_rank for passage in found.passages if passage.text == "kelp"] == [1]
    assert all(passage.lexical_rank is None for passage in found.passages if passage.text != "kelp")


async def test_fused_score_is_the_stated_formula(database: Database, tenant: TestTenant) -> None:
    store_id = await new_store(database, tenant)
    chunks = ["tide moon kelp", "tide tide gull", "reef salt", "moon reef drift"]
    vectors = make_vectors(4, seed=9)
    async with database.write(tenant.admin, unaudited="a test") as tx:
        await index_texts(tx, store_id, chunks, vectors=vectors)
    query, vector = "tide moon unheardof", make_vectors(1, seed=10)[0]
    async with database.read(tenant.admin) as tx:
        found = await service.search(tx, store_id=store_id, query=query, vector=vector, limit=4)
    scores = bm25(chunks, query)
    # A document of one word has as score what a chunk with all words could get of it; an unknown word is the rarest.
    idf = {word: np.log(5 / (sum(word in text for text in chunks) + 0.5)) for word in query.split()}
    halves = vectors.astype(np.float16).astype(np.float64) @ vector.astype(np.float16).astype(np.float64)
    mean = max(0.0, float(halves.sum()) / (len(chunks) + fusion.PRIOR_CHUNKS))
    for passage in found.passages:
        word_part = scores[passage.ordinal] / np.sqrt(max(scores) * sum(idf.values()))
        vector_part = max(0.0, (halves[passage.ordinal] - mean) / (1 - mean))
        weight = fusion.LEXICAL_WEIGHT
        assert passage.fused_score == pytest.approx((weight * word_part + vector_part) / (weight + 1), abs=1e-3)
    assert [passage.fused_score for passage in found.passages] == sorted(
        (passage.fused_score for passage in found.passages), reverse=True
    )
    assert [passage.rank for passage in found.passages] == [1, 2, 3, 4]


async def test_new_version_appears_as_the_old_one_goes(database: Database, tenant: TestTenant) -> None:
    store_id = await new_store(database, tenant)
    old = await add(database, tenant, store_id, ["the harbor closes at nine"])
    async with database.write(tenant.admin, unaudited="a test") as tx:
        await service.retire_version(tx, store_id, old.version_id)
        await index_texts(tx, store_id, ["the harbor closes at ten"])
        # Another task with a context of its own, as another request has one.
        elsewhere = look(database, tenant, store_id, "harbor")
        before = await asyncio.create_task(elsewhere, context=Context())
    after = await look(database, tenant, store_id, "harbor")
    assert [passage.text for passage in before.passages] == ["the harbor closes at nine"]
    assert [passage.text for passage in after.passages] == ["the harbor closes at ten"]
    assert await retire(database, tenant, store_id, old.version_id) == 0


async def test_store_of_which_all_is_retired_finds_nothing(database: Database, tenant: TestTenant) -> None:
    store_id = await new_store(database, tenant)
    version = await add(database, tenant, store_id, ["tide", "moon"])
    await retire(database, tenant, store_id, version.version_id)
    assert not (await look(database, tenant, store_id, "tide")).passages
    await merge_all(database, tenant, store_id)
    assert not (await look(database, tenant, store_id, "tide")).passages
    again = await add(database, tenant, store_id, ["tide"])
    assert [one.version_id for one in (await look(database, tenant, store_id, "tide")).passages] == [again.version_id]


async def test_what_ranked_below_the_limit_is_named_as_cut(database: Database, tenant: TestTenant) -> None:
    store_id = await new_store(database, tenant)
    await add(database, tenant, store_id, [f"tide {'kelp ' * count}" for count in range(30)])
    found = await look(database, tenant, store_id, "tide", limit=3)
    assert [passage.rank for passage in found.passages] == [1, 2, 3]
    assert [passage.rank for passage in found.cut] == list(range(4, 4 + service.CUT_MAX))
    assert found.timings_ms["retrieve"] > 0


async def test_title_and_headings_are_searched_with_each_chunk(database: Database, tenant: TestTenant) -> None:
    store_id = await new_store(database, tenant)
    async with database.write(tenant.admin, unaudited="a test") as tx:
        titled = await index_texts(tx, store_id, ["net sales rose", "costs fell"], title="2022 Q3 AAPL")
        await index_texts(tx, store_id, ["net sales rose", "costs fell"], title="2022 Q3 MSFT")
    found = await look(database, tenant, store_id, "AAPL net sales", limit=1)
    assert (found.passages[0].version_id, found.passages[0].text) == (titled.version_id, "net sales rose")


async def test_filter_returns_only_named_versions_with_unchanged_scores(database: Database, tenant: TestTenant) -> None:
    store_id = await new_store(database, tenant)
    one = await add(database, tenant, store_id, ["tide moon", "tide"])
    other = await add(database, tenant, store_id, ["tide tide", "moon"])
    everything = await look(database, tenant, store_id, "tide")
    found = await look(database, tenant, store_id, "tide", filters=Filter((other.version_id,)))
    assert [passage.text for passage in found.passages] == ["tide tide"]
    scores = {passage.chunk_id: passage.lexical_score for passage in everything.passages}
    assert all(scores[passage.chunk_id] == passage.lexical_score for passage in found.passages)
    assert one.version_id not in {passage.version_id for passage in (*found.passages, *found.cut)}


async def test_known_vectors_are_those_of_live_chunks(database: Database, tenant: TestTenant) -> None:
    store_id = await new_store(database, tenant)
    version = await add(database, tenant, store_id, ["tide", "moon"])
    hashes = [service.indexed_hash(chunk) for chunk in make_chunks(["moon", "kelp"])]
    async with database.read(tenant.admin) as tx:
        known = await service.known_vectors(tx, store_id, hashes)
    assert known.keys() == {hashes[0]}
    np.testing.assert_allclose(known[hashes[0]], version.vectors[1], atol=1e-3)


async def test_empty_store_finds_nothing(database: Database, tenant: TestTenant) -> None:
    store_id = await new_store(database, tenant)
    found = await look(database, tenant, store_id, "tide")
    assert (list(found.passages), list(found.cut)) == ([], [])
    assert await retire(database, tenant, store_id, store_id) == 0
    assert await merge_all(database, tenant, store_id) == 0


async def test_query_without_terms_goes_by_meaning(database: Database, tenant: TestTenant) -> None:
    store_id = await new_store(database, tenant)
    version = await add(database, tenant, store_id, ["tide", "moon"])
    async with database.read(tenant.admin) as tx:
        found = await service.search(tx, store_id=store_id, query="what is it?", vector=version.vectors[1], limit=1)
    assert [passage.text for passage in found.passages] == ["moon"]


async def test_bad_searches_are_refused_with_a_reason(database: Database, tenant: TestTenant) -> None:
    store_id = await new_store(database, tenant)
    version = await add(database, tenant, store_id, ["tide"])
    for query, limit in (("  ", 1), ("tide", 0), ("tide", service.LIMIT_MAX + 1)):
        with pytest.raises(InvalidSearch):
            await look(database, tenant, store_id, query, limit=limit)
    async with database.read(tenant.admin) as tx:
        with pytest.raises(EmbeddingMismatch, match="3 dimensions"):
            await service.search(tx, store_id=store_id, query="tide", vector=np.ones(3, np.float32), limit=1)
        with pytest.raises(EmbeddingMismatch, match="another"):
            await service.search(
                tx, store_id=store_id, query="tide", vector=version.vectors[0], limit=1, embedding_model="another"
            )


async def test_store_indexed_with_one_model_refuses_vectors_of_another(database: Database, tenant: TestTenant) -> None:
    store_id = await new_store(database, tenant)
    await add(database, tenant, store_id, ["tide"])
    async with database.write(tenant.admin, unaudited="a test") as tx:
        document_id, version_id = await add_document_version(tx, store_id)
        with pytest.raises(EmbeddingMismatch, match="test-embedder"):
            await service.index_version(
                tx,
                store_id,
                document_id,
                version_id,
                make_chunks(["moon"]),
                make_vectors(1, dimensions=DIMENSIONS),
                embedding_model="another",
            )


async def test_prove_retrievable_passes_what_is_indexed_and_nothing_else(
    database: Database, tenant: TestTenant
) -> None:
    store_id = await new_store(database, tenant)
    version = await add(database, tenant, store_id, ["tide", "moon", "kelp", "gull", "salt"])
    chunks = make_chunks(version.texts)
    async with database.read(tenant.admin) as tx:
        await service.prove_retrievable(tx, store_id, version.version_id, chunks, version.vectors)
    await retire(database, tenant, store_id, version.version_id)
    async with database.read(tenant.admin) as tx:
        with pytest.raises(NotRetrievable):
            await service.prove_retrievable(tx, store_id, version.version_id, chunks, version.vectors)


async def test_prove_retrievable_refuses_a_passage_that_lacks_its_words_or_its_vector(
    database: Database, tenant: TestTenant
) -> None:
    store_id = await new_store(database, tenant)
    version = await add(database, tenant, store_id, ["tide", "moon", "kelp"])
    vectors = version.vectors
    cases = [
        (make_chunks(version.texts), -vectors),
        (make_chunks(version.texts), np.zeros_like(vectors)),
        (make_chunks(["tide", "gull", "kelp"]), vectors),
    ]
    for chunks, wrong in cases:
        async with database.read(tenant.admin) as tx:
            with pytest.raises(NotRetrievable):
                await service.prove_retrievable(tx, store_id, version.version_id, chunks, wrong)


async def test_chunks_go_to_a_version_of_their_document_and_store_only(database: Database, tenant: TestTenant) -> None:
    store_id, other_id = await new_store(database, tenant), await new_store(database, tenant)
    async with database.write(tenant.admin, unaudited="a test") as tx:
        document_id, version_id = await add_document_version(tx, store_id)
    for wrong in (
        (other_id, document_id, version_id),
        (store_id, new_id(), version_id),
        (store_id, document_id, new_id()),
    ):
        with pytest.raises(AssertionError, match="is not of document"):
            async with database.write(tenant.admin, unaudited="a test") as tx:
                await service.index_version(
                    tx, *wrong, make_chunks(["tide"]), make_vectors(1), embedding_model="a model"
                )


async def test_large_version_is_indexed_in_several_statements(database: Database, tenant: TestTenant) -> None:
    store_id = await new_store(database, tenant)
    chunks = ["tide"] * 4_100 + ["moon"]
    version = await add(database, tenant, store_id, chunks)
    found = await look(database, tenant, store_id, "moon", limit=1)
    assert [(passage.text, passage.ordinal) for passage in found.passages] == [("moon", 4_100)]
    assert await retire(database, tenant, store_id, version.version_id) == len(chunks)
    assert not (await look(database, tenant, store_id, "moon tide")).passages
