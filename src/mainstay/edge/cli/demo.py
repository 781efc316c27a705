"""`make demo`: the story of one answer, told by the running system."""

import asyncio
import secrets
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mainstay.config import load_settings
from mainstay.edge.cli.app import guarded
from mainstay.edge.cli.connection import address_of, connect, owner_url
from mainstay.edge.cli.output import console
from mainstay.edge.maintain import create_tenant
from mainstay.sdk import ApiError, Client

QUESTION = "How long is the warranty of the Heron 3?"
DOCUMENT = """# Heron 3: warranty

The Heron 3 is covered by a warranty of {months} months from the day of purchase.

# Heron 3: battery

The battery holds 5200 mAh and charges in two hours.
"""
INGEST_DEADLINE_S = 60.0
POLL_S = 0.1


class DemoFailed(Exception):
    """The system did not do what the story says."""


def tell() -> None:
    """Ask, edit a document, ask again, look at the first answer, and look from a second tenant."""
    settings = load_settings()
    name = f"demo-{secrets.token_hex(3)}"
    with connect(settings) as client:
        store = client.store(name, create=True) or {}
        _step("1. A document goes in: the warranty is 24 months.")
        _put(client, store["id"], months=24)
        first = _ask(client, store["id"])
        _step("2. The document is edited: the warranty is now 36 months. The old version is no longer retrieved.")
        _put(client, store["id"], months=36)
        second = _ask(client, store["id"])
        _expect("24 months" in _quote(first) and "36 months" in _quote(second), "the answer follows the document")
        _step("3. The first answer still knows what it was made from, and that it has changed since.")
        receipt = client.call("GET", f"/v1/answers/{first['id']}/receipt")
        _expect(receipt["source_changed"], "the first answer is marked")
        cited = receipt["citations"][0]
        console.print(f"   {first['id']}: source changed", style="bold yellow")
        console.print(f"   it quoted version {cited['document_version']}: “{' '.join(cited['quote'].split())}”")
        _step("4. A second tenant asks for the same answer, and sees nothing of it.")
        made = asyncio.run(create_tenant(settings, owner_url(settings), name))
        with Client(address_of(settings), made.key.secret) as stranger:
            _look_from_outside(stranger, first["id"], store["id"])
    console.print("\nAll as told.", style="bold green")


def _put(client: Client, store_id: str, *, months: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "heron-3.md"
        path.write_text(DOCUMENT.format(months=months))
        uploaded = client.upload(path)
    files = f"/v1/vector_stores/{store_id}/files"
    body = {"file_id": uploaded["id"], "external_id": "heron-3.md"}
    added = client.call("POST", files, json=body)
    deadline_s = time.monotonic() + INGEST_DEADLINE_S
    while added["status"] == "in_progress":
        _expect(time.monotonic() < deadline_s, "the document is ingested in time")
        time.sleep(POLL_S)
        added = client.call("GET", f"{files}/{added['id']}")
    console.print(f"   heron-3.md, version {added['version']}: {added['status']}, {added['chunk_count']} passages")


def _ask(client: Client, store_id: str) -> dict[str, Any]:
    body = {"input": QUESTION, "tools": [{"type": "file_search", "vector_store_ids": [store_id]}]}
    answer = client.call("POST", "/v1/responses", json=body)
    text = answer["output"][-1]["content"][0]["text"]
    console.print(f"   {QUESTION}\n   → {' '.join(text.split())}   ({answer['latency_ms']:.0f} ms)", style="cyan")
    return answer


def _quote(answer: dict[str, Any]) -> str:
    annotations = answer["output"][-1]["content"][0]["annotations"]
    return annotations[0]["quote"] if annotations else ""


def _look_from_outside(stranger: Client, answer_id: str, store_id: str) -> None:
    for path in (f"/v1/answers/{answer_id}/receipt", f"/v1/vector_stores/{store_id}"):
        try:
            stranger.call("GET", path)
        except ApiError as refused:
            _expect(refused.status == 404, "a stranger gets what an unknown id gives")
            console.print(f"   GET {path} → {refused.status} {refused.message}")
        else:
            _expect(False, "a stranger sees nothing")
    stores = list(stranger.pages("/v1/vector_stores"))
    _expect(not stores, "a new tenant has no stores")
    console.print("   GET /v1/vector_stores → 0 stores")


def _step(text: str) -> None:
    console.print(f"\n{text}", style="bold")


def _expect(condition: bool, what: str) -> None:
    if not condition:
        raise DemoFailed(f"The demo failed: it was expected that {what}.")


def main() -> None:
    """Tell the story; the exit code is 0 when all of it held."""
    try:
        guarded(tell)
    except DemoFailed as failed:
        console.print(str(failed), style="bold red")
        sys.exit(1)


if __name__ == "__main__":
    main()
