"""The golden questions of the sample documents, asked of the running system.

    .venv/bin/python -m bench.golden        (needs `make up`)

Prints how many questions were answered with the expected text from the expected document, how many without an answer in
the documents were refused, and each that went wrong. Nothing of the built-in model was fitted on these.
"""

import json
import sys
from pathlib import Path

from mainstay.edge.cli.connection import connect

QUESTIONS = Path(__file__).parents[1] / "evals" / "samples" / "questions.jsonl"


def main() -> int:
    """Ask all of them; the exit code is 1 when none was tried."""
    questions = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    counts = {
        "right answers": 0,
        "wrong answers": 0,
        "wrong refusals": 0,
        "right refusals": 0,
        "unsupported answers": 0,
    }
    with connect() as client:
        store = client.store("samples", create=False)
        if store is None or not questions:
            print("there is no store 'samples', or there are no questions: nothing was tried", file=sys.stderr)
            return 1
        tools = [{"type": "file_search", "vector_store_ids": [store["id"]]}]
        for one in questions:
            answer = client.call("POST", "/v1/responses", json={"input": one["question"], "tools": tools})
            outcome = judge(one, answer)
            counts[outcome] += 1
            if not outcome.startswith("right"):
                text = " ".join(answer["output"][-1]["content"][0]["text"].split())
                print(f"{outcome}: {one['question']}\n    expected {one.get('answer_contains')!r}, got: {text[:160]}")
    print(f"\n{len(questions)} questions: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    return 0


def judge(question: dict[str, object], answer: dict[str, object]) -> str:
    """Return what an answer is worth: right only with the expected text, quoted from somewhere."""
    if not question["answerable"]:
        return "unsupported answers" if answer["answered"] else "right refusals"
    if not answer["answered"]:
        return "wrong refusals"
    part = answer["output"][-1]["content"][0]  # type: ignore[index]
    quotes = " ".join(" ".join(one["quote"].split()) for one in part["annotations"])
    return "right answers" if str(question["answer_contains"]).casefold() in quotes.casefold() else "wrong answers"


if __name__ == "__main__":
    sys.exit(main())
