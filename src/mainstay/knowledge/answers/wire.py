"""Answers in the shape of OpenAI's Responses API; what is ours besides stands at the end of each object."""

from typing import Any

from mainstay.kernel.ids import encode_id
from mainstay.kernel.money import format_usd
from mainstay.knowledge.answers.models import STAGES, Answer, Citation, Receipt, Source

Json = dict[str, Any]
RESULTS = "file_search_call.results"


def annotation(citation: Citation) -> Json:
    """Return a `file_citation`, with the quote and the passage around it."""
    source = citation.source
    return {
        "type": "file_citation",
        "index": citation.answer_index,
        "file_id": encode_id("file-", source.file_id),
        "filename": source.filename,
        "quote": citation.quote,
        "page": citation.page,
        "chunk_id": encode_id("chunk_", source.chunk_id),
        "document_id": encode_id("doc_", source.document_id),
        "document_version": source.version_number,
        "start_char": citation.start_char,
        "end_char": citation.end_char,
        "heading_path": list(source.heading_path),
        "number": source.number,
        "passage": source.passage,
        "quote_start": citation.start_char - source.start_char,
    }


def search_call(answer: Answer, *, with_results: bool, status: str = "completed") -> Json:
    """Return the `file_search_call` of an answer, with what was found where the client asked for it."""
    results = [_result(source) for source in answer.sources if source.number is not None] if with_results else None
    return {
        "id": f"fs_{answer.id.hex}",
        "type": "file_search_call",
        "status": status,
        "queries": [answer.question],
        "results": results,
    }


def _result(source: Source) -> Json:
    return {
        "file_id": encode_id("file-", source.file_id),
        "filename": source.filename,
        "score": round(source.fused_score, 6),
        "text": source.passage,
        "attributes": {"page": source.page_first or 0, "chunk_id": encode_id("chunk_", source.chunk_id)},
    }


def message(answer: Answer, *, status: str | None = None) -> Json:
    """Return the message that carries the answer's text and citations."""
    content: list[Json] = []
    if answer.answer is not None:
        content.append(text_part(answer))
    return {
        "id": encode_id("msg_", answer.id),
        "type": "message",
        "role": "assistant",
        "status": status or ("incomplete" if answer.incomplete_reason else "completed"),
        "content": content,
    }


def text_part(answer: Answer) -> Json:
    """Return the `output_text` of an answer."""
    annotations = [annotation(citation) for citation in answer.citations]
    return {"type": "output_text", "text": answer.answer or "", "annotations": annotations, "logprobs": []}


_STATUS = {"running": "in_progress", "completed": "completed", "failed": "failed", "cancelled": "cancelled"}


def status_of(answer: Answer) -> str:
    """Return how an answer stands, in OpenAI's words."""
    return "incomplete" if answer.incomplete_reason else _STATUS[answer.state]


def _tool(answer: Answer) -> Json:
    tool: Json = {"type": "file_search", "vector_store_ids": [encode_id("vs_", one) for one in answer.store_ids]}
    return {**tool, "filters": answer.options.filters} if answer.options.filters is not None else tool


def response(answer: Answer, *, with_results: bool = False) -> Json:
    """Return the `response` object of an answer as it stands."""
    options = answer.options
    running = answer.state == "running"
    output = [] if running else [search_call(answer, with_results=with_results), message(answer)]
    used_in, used_out = answer.input_tokens or 0, answer.output_tokens or 0
    usage = {
        "input_tokens": used_in,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": used_out,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": used_in + used_out,
    }
    error = (
        {"code": "server_error", "message": f"The answer failed: {answer.failure_code}."}
        if answer.failure_code
        else None
    )
    return {
        "id": encode_id("resp_", answer.id),
        "object": "response",
        "created_at": int(answer.created_at.timestamp()),
        "status": status_of(answer),
        "error": error,
        "incomplete_details": {"reason": answer.incomplete_reason} if answer.incomplete_reason else None,
        "instructions": options.instructions,
        "max_output_tokens": options.output_tokens_max,
        "metadata": dict(options.metadata),
        "model": f"assistant/{answer.assistant}",
        "output": output,
        "parallel_tool_calls": False,
        "previous_response_id": encode_id("resp_", answer.previous_id) if answer.previous_id else None,
        "conversation": {"id": encode_id("conv_", answer.conversation_id)},
        "temperature": options.temperature,
        "top_p": options.top_p,
        "tool_choice": "auto",
        "tools": [_tool(answer)],
        "usage": None if running else usage,
        "answered": None if running else answer.state == "completed" and not answer.refused,
        "cost_usd_nanos": answer.cost_usd_nanos,
        "latency_ms": (answer.stages_ms or {}).get("total"),
        "request_id": answer.request_id,
    }


def receipt(explained: Receipt) -> Json:
    """Return the receipt: what the answer was made from, what it took, and whether a source has changed since."""
    answer = explained.answer
    return {
        "id": encode_id("resp_", answer.id),
        "object": "answer.receipt",
        "answer_id": encode_id("resp_", answer.id),
        "conversation_id": encode_id("conv_", answer.conversation_id),
        "request_id": answer.request_id,
        "created_at": int(answer.created_at.timestamp()),
        "state": answer.state,
        "question": answer.question,
        "answer": answer.answer,
        "answered": answer.state == "completed" and not answer.refused,
        "failure_code": answer.failure_code,
        "incomplete_reason": answer.incomplete_reason,
        "instructions": answer.options.instructions,
        "temperature": answer.options.temperature,
        "top_p": answer.options.top_p,
        "filters": answer.options.filters,
        "prompt": {"name": answer.prompt_name, "version": answer.prompt_version},
        "provider": answer.provider,
        "model": answer.model,
        "store_ids": [encode_id("vs_", store_id) for store_id in answer.store_ids],
        "stages_ms": _stages_ms(answer),
        "usage": {"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens},
        "cost_usd_nanos": answer.cost_usd_nanos,
        "cost_usd": format_usd(answer.cost_usd_nanos or 0),
        "citations": [annotation(citation) for citation in answer.citations],
        "passages": [_passage(explained, source) for source in answer.sources if source.number is not None],
        "cut": [_passage(explained, source) for source in answer.sources if source.number is None],
        "source_changed": explained.source_changed,
    }


def _stages_ms(answer: Answer) -> Json | None:
    """Return the stages in the order in which they happened; JSON in the database keeps none."""
    if answer.stages_ms is None:
        return None
    return {stage: answer.stages_ms[stage] for stage in STAGES if stage in answer.stages_ms}


def _passage(explained: Receipt, source: Source) -> Json:
    cited = any(citation.source.chunk_id == source.chunk_id for citation in explained.answer.citations)
    return {
        "number": source.number,
        "rank": source.rank,
        "reason": source.cut_reason,
        "cited": cited,
        "source_state": explained.source_states[source.version_id],
        "chunk_id": encode_id("chunk_", source.chunk_id),
        "chunk_sha256": source.chunk_sha256.hex(),
        "document_id": encode_id("doc_", source.document_id),
        "document_version": source.version_number,
        "file_id": encode_id("file-", source.file_id),
        "filename": source.filename,
        "page": source.page_first,
        "page_last": source.page_last,
        "heading_path": list(source.heading_path),
        "start_char": source.start_char,
        "end_char": source.end_char,
        "lexical_score": source.lexical_score,
        "lexical_rank": source.lexical_rank,
        "vector_score": source.vector_score,
        "vector_rank": source.vector_rank,
        "fused_score": source.fused_score,
        "text": source.passage,
    }
