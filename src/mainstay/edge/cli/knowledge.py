"""`mainstay search`, `ask` and `explain`."""

from typing import Annotated, Any

import typer

from mainstay.edge.cli.connection import connect
from mainstay.edge.cli.output import JsonFlag, console, errors, print_json, print_table
from mainstay.kernel.money import format_usd
from mainstay.sdk import Client

Store = Annotated[str | None, typer.Option(help="The store, by name or id; without it, all that you may see.")]
EXIT_NOT_FOUND = 4


def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    store: Store = None,
    limit: Annotated[int, typer.Option(min=1, max=50, help="How many passages.")] = 5,
    as_json: JsonFlag = False,
) -> None:
    """Find passages, by words and by meaning."""
    with connect() as client:
        found: list[dict[str, Any]] = []
        for store_id in _store_ids(client, store):
            body = {"query": query, "max_num_results": limit}
            found += client.call("POST", f"/v1/vector_stores/{store_id}/search", json=body)["data"]
    found.sort(key=lambda one: -one["score"])
    found = found[:limit]
    if as_json:
        print_json({"query": query, "data": found})
        return
    for rank, one in enumerate(found, start=1):
        console.print(f"{rank}. {_place(one)}   score {one['score']:.4f}", style="bold")
        console.print(one["content"][0]["text"].strip()[:600] + "\n")
    if not found:
        errors.print("Nothing was found.")


def ask(
    question: Annotated[str, typer.Argument(help="The question.")],
    store: Store = None,
    conversation: Annotated[
        str | None, typer.Option(help="A name of yours for the conversation; the same name goes on with it.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask, and get an answer with citations, or "I don't know"."""
    with connect() as client:
        body: dict[str, Any] = {"model": "assistant/default", "input": question}
        if store is not None:
            body["tools"] = [{"type": "file_search", "vector_store_ids": _store_ids(client, store)}]
        if conversation is not None:
            body["metadata"] = {"conversation_id": conversation}
        if as_json:
            print_json(client.call("POST", "/v1/responses", json=body))
            return
        answer: dict[str, Any] | None = None
        for event in client.events("/v1/responses", body):
            if event["type"] == "response.output_text.delta":
                console.print(event["delta"], end="")
            elif event["type"] in ("response.completed", "response.incomplete", "response.failed"):
                answer = event["response"]
    console.print()
    if answer is None or answer["status"] not in ("completed", "incomplete"):
        message = (answer or {}).get("error", {}).get("message", "The answer ended without a result; ask again.")
        errors.print(message)
        raise typer.Exit(1)
    if answer["incomplete_details"] is not None:
        errors.print(f"The answer was cut short ({answer['incomplete_details']['reason']}).")
    _print_citations(answer)


def _print_citations(answer: dict[str, Any]) -> None:
    annotations = answer["output"][-1]["content"][0]["annotations"]
    if annotations:
        console.print("\nSources", style="bold")
    for one in annotations:
        console.print(f"  [{one['number']}] {_place(one)}: “{' '.join(one['quote'].split())}”")
    cost = format_usd(answer["cost_usd_nanos"] or 0)
    console.print(f"\n{answer['id']}   {answer['latency_ms']:.0f} ms   {cost}", style="dim")


def explain(
    answer: Annotated[str, typer.Argument(help="The id of an answer, as `ask` prints it.")], as_json: JsonFlag = False
) -> None:
    """Show an answer's receipt: passages with scores, what it took, and whether a source has changed since."""
    with connect() as client:
        receipt = client.call("GET", f"/v1/answers/{answer}/receipt")
    if as_json:
        print_json(receipt)
        return
    prompt = receipt["prompt"]
    stages = ", ".join(f"{name} {value:.1f}" for name, value in (receipt["stages_ms"] or {}).items())
    console.print(f"Question   {receipt['question']}\nAnswer     {receipt['answer']}")
    console.print(
        f"Prompt     {prompt['name']} {prompt['version']}\nModel      {receipt['provider']}/{receipt['model']}"
    )
    console.print(f"Tokens     {receipt['usage']['input_tokens']} in, {receipt['usage']['output_tokens']} out")
    console.print(f"Cost       {receipt['cost_usd']}\nStages ms  {stages}\nRequest    {receipt['request_id']}")
    console.print("Sources    source changed\n" if receipt["source_changed"] else "Sources    unchanged since\n")
    columns = ["rank", "no", "cited", "document", "version", "page", "BM25", "cosine", "fused", "today", "chunk"]
    print_table(columns, [_receipt_row(one) for one in (*receipt["passages"], *receipt["cut"])])


def _receipt_row(one: dict[str, Any]) -> list[Any]:
    def score(name: str) -> str | None:
        return None if one[name] is None else f"{one[name]:.3f}"

    return [
        one["rank"],
        one["number"] or one["reason"],
        "yes" if one["cited"] else None,
        one["filename"],
        one["document_version"],
        one["page"],
        score("lexical_score"),
        score("vector_score"),
        score("fused_score"),
        one["source_state"],
        one["chunk_sha256"][:12],
    ]


def _store_ids(client: Client, store: str | None) -> list[str]:
    if store is None:
        return [one["id"] for one in client.pages("/v1/vector_stores")][:8]
    found = client.store(store, create=False)
    if found is None:
        errors.print(f"There is no store named '{store}': make it with `mainstay ingest PATH --store {store}`.")
        raise typer.Exit(EXIT_NOT_FOUND)
    return [found["id"]]


def _place(one: dict[str, Any]) -> str:
    page = f", page {one['page']}" if one.get("page") else ""
    path = " › ".join(one.get("heading_path") or [])
    version = f" (version {one['document_version']})" if one.get("document_version", 1) > 1 else ""
    return f"{one['filename']}{page}{version}" + (f" › {path}" if path else "")
