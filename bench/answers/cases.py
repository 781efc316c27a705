"""What the model is asked: each question over passages that the product's own search finds, in several situations.

answerable   as it stands
removed      after every document that answers it was left out: the rest is about the same things, and silent on this
erased       after each sentence that answers it was taken out of its passage: the right documents, silent on this
altered      with a name or a number exchanged: the right passages, for a question that they do not answer
foreign      a question of another collection
silent       a question that was written so that no document answers it
"""

import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal
from uuid import UUID

from bench.answers.altering import Strange, altered
from bench.answers.erasing import erased
from bench.answers.sets import VERBATIM, AnswerSet, JudgedQuestion
from mainstay.control.gateway.models import ChatRequest, EmbeddingModel, Message, Passage
from mainstay.knowledge.documents.chunking import chunk
from mainstay.knowledge.retrieval import service
from mainstay.knowledge.retrieval.models import Filter
from mainstay.platform.postgres import Database
from tests.support.retrieval import add_document_version, make_store
from tests.support.tenants import TestTenant

PASSAGES_MAX = 8
OUTPUT_TOKENS_MAX = 1_000
_COMMIT_DOCUMENTS = 32
_SEED = 7

Situation = Literal["answerable", "removed", "erased", "altered", "foreign", "silent"]
SITUATIONS: tuple[Situation, ...] = ("answerable", "removed", "erased", "altered", "foreign", "silent")
# About the same things, but nothing there answers.
NEAR_MISSES: tuple[Situation, ...] = ("removed", "erased", "altered")


@dataclass(frozen=True)
class Case:
    """One question to the model. `relevant` numbers the passages that come from a document that answers."""

    set_name: str
    situation: Situation
    question: JudgedQuestion
    request: ChatRequest
    relevant: frozenset[int]
    is_verbatim: bool


@dataclass(frozen=True)
class IndexedDocuments:
    """A set in a store of its own; names are the set's ids of documents."""

    database: Database
    tenant: TestTenant
    embedder: EmbeddingModel
    store_id: UUID
    names: dict[UUID, str]
    titles: dict[UUID, str]
    versions: dict[str, UUID]

    async def ask(self, text: str, without: frozenset[str] = frozenset()) -> tuple[ChatRequest, list[str]]:
        """Return the request for a question over the passages found outside the documents `without`, and their ids."""
        vector = (await self.embedder.embed([text])).vectors[0]
        left = Filter(tuple(version for name, version in self.versions.items() if name not in without))
        async with self.database.read(self.tenant.admin) as tx:
            found = await service.search(
                tx,
                store_id=self.store_id,
                query=text,
                vector=vector,
                limit=PASSAGES_MAX,
                filters=left if without else None,
            )
        passages = tuple(
            Passage(
                number,
                self.titles[one.document_id],
                one.heading_path,
                one.text,
                one.lexical_score,
                one.vector_score or 0,
            )
            for number, one in enumerate(found.passages, start=1)
        )
        request = ChatRequest((Message("user", text),), text, passages, OUTPUT_TOKENS_MAX)
        return request, [self.names[one.document_id] for one in found.passages]


async def index_answer_set(
    database: Database, tenant: TestTenant, embedder: EmbeddingModel, answer_set: AnswerSet
) -> IndexedDocuments:
    """Chunk, embed and index the documents of a set as an ingest does."""
    names: dict[UUID, str] = {}
    titles: dict[UUID, str] = {}
    versions: dict[str, UUID] = {}
    async with database.write(tenant.admin, unaudited="a benchmark") as tx:
        store_id = await make_store(tx)
    documents = list(answer_set.documents.items())
    for start in range(0, len(documents), _COMMIT_DOCUMENTS):
        prepared = [(name, parsed, chunk(parsed)) for name, parsed in documents[start : start + _COMMIT_DOCUMENTS]]
        vectors = [
            (await embedder.embed([service.indexed_text(one, parsed.title) for one in chunks])).vectors
            for _, parsed, chunks in prepared
        ]
        async with database.write(tenant.admin, unaudited="a benchmark") as tx:
            for (name, parsed, chunks), rows in zip(prepared, vectors, strict=True):
                document_id, version_id = await add_document_version(tx, store_id)
                names[document_id], versions[name], titles[document_id] = name, version_id, answer_set.filenames[name]
                await service.index_version(
                    tx,
                    store_id,
                    document_id,
                    version_id,
                    chunks,
                    rows,
                    embedding_model=embedder.name,
                    title=parsed.title,
                )
            while await service.merge_segments(tx, store_id):
                pass
    return IndexedDocuments(database, tenant, embedder, store_id, names, titles, versions)


async def cases_of(
    indexed: IndexedDocuments, answer_set: AnswerSet, strangers: Sequence[JudgedQuestion], *, held_out: bool, limit: int
) -> AsyncIterator[Case]:
    """Yield the cases of at most `limit` questions of one half in each situation.

    Which questions those are is decided by a digest of their ids, so that every run has the same.
    """
    strange = Strange.of(answer_set.questions)
    asked = sorted((q for q in answer_set.questions if q.held_out == held_out), key=_order)[:limit]
    for question in asked:
        for situation in ("answerable", "removed"):
            without = question.document_ids if situation == "removed" else frozenset[str]()
            request, found = await indexed.ask(question.text, without)
            relevant = frozenset(n for n, name in enumerate(found, start=1) if name in question.document_ids)
            yield Case(answer_set.name, situation, question, request, relevant, answer_set.is_verbatim)
            left = erased(question, answer_set, request.passages) if situation == "answerable" else None
            if left is not None:
                request = replace(request, passages=left)
                yield Case(answer_set.name, "erased", question, request, frozenset(), answer_set.is_verbatim)
        other = altered(question, answer_set, strange)
        if other is not None:
            request, _ = await indexed.ask(other.text)
            yield Case(answer_set.name, "altered", other, request, frozenset(), answer_set.is_verbatim)
    foreign = sorted((q for q in strangers if q.held_out == held_out), key=_order)
    for question in random.Random(_SEED).sample(foreign, min(len(asked), len(foreign))):  # noqa: S311
        request, _ = await indexed.ask(question.text)
        yield Case(answer_set.name, "foreign", question, request, frozenset(), answer_set.is_verbatim)


async def golden_cases(indexed: IndexedDocuments, answer_set: AnswerSet) -> AsyncIterator[Case]:
    """Yield every question of a set that says itself what cannot be answered; none of them was fitted on."""
    for question in answer_set.questions:
        request, found = await indexed.ask(question.text)
        relevant = frozenset(n for n, name in enumerate(found, start=1) if name in question.document_ids)
        situation = "answerable" if question.answers else "silent"
        yield Case(answer_set.name, situation, question, request, relevant, answer_set.is_verbatim)


def foreigners(
    answer_set: AnswerSet, all_sets: Sequence[AnswerSet], more: Sequence[JudgedQuestion]
) -> list[JudgedQuestion]:
    """Return the questions of other collections than this set's; the three XQuAD sets are one collection."""
    return [
        question
        for other in all_sets
        if other.name != answer_set.name and not {other.name, answer_set.name} <= set(VERBATIM)
        for question in other.questions
    ] + list(more)


def _order(question: JudgedQuestion) -> bytes:
    return sha256(f"order {question.id}".encode()).digest()
