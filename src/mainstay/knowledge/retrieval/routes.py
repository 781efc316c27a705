"""Search over HTTP, and taking a document out of a store, which retrieval must forget in the same commit."""

from fastapi import APIRouter
from fastapi.responses import Response

from mainstay.control.access.door import Permitted
from mainstay.control.audit import service as audit
from mainstay.control.gateway.service import Gateway
from mainstay.control.metering import service as metering
from mainstay.kernel.ids import decode_id, decode_one_of, encode_id
from mainstay.knowledge.documents import service as documents
from mainstay.knowledge.documents import versions
from mainstay.knowledge.documents.models import VersionCard
from mainstay.knowledge.retrieval import service
from mainstay.knowledge.retrieval.models import Filter, ScoredPassage
from mainstay.knowledge.retrieval.schemas import SearchCreate, SearchPage
from mainstay.platform.http import Deleted, JsonResponse, answers
from mainstay.platform.postgres import Database


class SearchRoutes:
    """The routes of retrieval."""

    def __init__(self, database: Database, gateway: Gateway) -> None:
        self._database = database
        self._gateway = gateway

    def router(self) -> APIRouter:
        """Return the routes to be mounted."""
        router = APIRouter(prefix="/v1/vector_stores/{store_id}", tags=["vector stores"])
        router.add_api_route(
            "/search",
            self.search,
            methods=["POST"],
            summary="Search",
            response_model=None,
            responses=answers(SearchPage),
        )
        router.add_api_route("/files/{file_id}", self.remove_file, methods=["DELETE"], summary="Remove a file")
        return router

    async def search(self, caller: Permitted, store_id: str, body: SearchCreate) -> Response:
        """Search one store by words and by meaning, and return its best passages."""
        query = body.query if isinstance(body.query, str) else " ".join(body.query)
        store = decode_id("vs_", store_id)
        if body.filters is not None:
            versions.check_filters(body.filters)
        async with self._database.read(caller.scope) as tx:
            await documents.require_sight_of_store(tx, store)
        embedded = await self._gateway.embed([query])
        async with self._database.write(caller.scope) as tx:
            matching = await versions.matching(tx, store, body.filters) if body.filters is not None else None
            found = await service.search(
                tx,
                store_id=store,
                query=query,
                vector=embedded.vectors[0],
                limit=body.max_num_results,
                filters=Filter(tuple(matching)) if matching is not None else None,
            )
            cards = await versions.describe(tx, [passage.version_id for passage in found.passages])
            await metering.record(tx, embedded.call, feature="search")
            await audit.record(tx, "store.search", outcome="answered", target_id=store_id)
        score_min = body.ranking_options.score_threshold if body.ranking_options else None
        passages = [one for one in found.passages if score_min is None or one.fused_score >= score_min]
        return JsonResponse(
            {
                "object": "vector_store.search_results.page",
                "search_query": [query],
                "data": [_result(passage, cards[passage.version_id]) for passage in passages],
                "has_more": False,
                "next_page": None,
                "timings_ms": {"embed": embedded.call.latency_ms, **found.timings_ms},
            }
        )

    async def remove_file(self, caller: Permitted, store_id: str, file_id: str) -> Deleted:
        """Take a document out of a store; it is not found from this moment, and answers that used it say so."""
        store = decode_id("vs_", store_id)
        async with self._database.write(caller.scope) as tx:
            await documents.require_changeable_store(tx, caller, store)
            document = await versions.remove(tx, store, decode_one_of(file_id, "file-", "doc_"))
            if document.version_current_id is not None:
                await service.retire_version(tx, store, document.version_current_id)
        return Deleted(id=file_id, object="vector_store.file.deleted")


def _result(passage: ScoredPassage, card: VersionCard) -> dict[str, object]:
    return {
        "file_id": encode_id("file-", card.file_id),
        "filename": card.filename,
        "score": round(passage.fused_score, 6),
        "attributes": dict(card.attributes),
        "content": [{"type": "text", "text": passage.text}],
        "chunk_id": encode_id("chunk_", passage.chunk_id),
        "document_id": encode_id("doc_", passage.document_id),
        "document_version": card.number,
        "external_id": card.external_id,
        "page": passage.page_first,
        "page_last": passage.page_last,
        "heading_path": list(passage.heading_path),
        "start_char": passage.start_char,
        "end_char": passage.end_char,
        "lexical_score": passage.lexical_score,
        "lexical_rank": passage.lexical_rank,
        "vector_score": passage.vector_score,
        "vector_rank": passage.vector_rank,
    }
