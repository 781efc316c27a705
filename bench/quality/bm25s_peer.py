"""bm25s in its own environment: `python bm25s_peer.py FOLDER NAME...` prints rankings as JSON.

Runs with nothing of ours importable. The pipeline is bm25s's own: its tokenizer, its stop words "en" and Snowball
stemming, as its documentation has it; method "lucene", k1 1.2, b 0.75. Sets in German take its German stop words and
stemmer; for Chinese, where its tokenizer sees one word per clause, every character and pair of characters is a word.
"""

import json
import re
import sys
from pathlib import Path

import bm25s
import Stemmer

DEPTH = 10


def main() -> None:
    """Rank the queries of each set and print {set: {query: [documents]}}."""
    folder, names = Path(sys.argv[1]), sys.argv[2:]
    print(json.dumps({name: rank(folder / name, name) for name in names}))


def rank(folder: Path, name: str) -> dict[str, list[str]]:
    """Return the best documents of each query."""
    corpus, queries = rows(folder / "corpus.jsonl"), rows(folder / "queries.jsonl")
    texts = [f"{row.get('title') or ''} {row['text']}".strip() for row in corpus]
    language = name.rsplit("-", 1)[-1]
    model = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    model.index(tokens(texts, language), show_progress=False)
    found, scores = model.retrieve(
        tokens([row["text"] for row in queries], language), k=min(DEPTH, len(texts)), show_progress=False
    )
    return {
        query["_id"]: [corpus[int(index)]["_id"] for index, score in zip(indexes, row, strict=True) if score > 0]
        for query, indexes, row in zip(queries, found, scores, strict=True)
    }


def tokens(texts: list[str], language: str) -> object:
    """Return texts as bm25s tokenises them."""
    if language == "zh":
        spaced = [" ".join(characters(text)) for text in texts]
        between_spaces = r"\S+"
        return bm25s.tokenize(spaced, stopwords=[], token_pattern=between_spaces, show_progress=False)
    stop, stem = ("de", "german") if language == "de" else ("en", "english")
    return bm25s.tokenize(texts, stopwords=stop, stemmer=Stemmer.Stemmer(stem), show_progress=False)


def characters(text: str) -> list[str]:
    """Return words of Latin letters and digits, and every character and pair of characters of the rest."""
    pieces: list[str] = []
    for run in re.findall(r"[A-Za-z0-9]+|[^\W\dA-Za-z_]+", text.lower()):
        pieces += [run] if run.isascii() else [*run, *(run[i : i + 2] for i in range(len(run) - 1))]
    return pieces


def rows(path: Path) -> list[dict]:
    """Return the lines of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


if __name__ == "__main__":
    main()
