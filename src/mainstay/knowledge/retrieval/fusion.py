"""How the legs are weighed.

    fused = (w * lexical + t * vector) / (w + t)

    lexical = BM25 / sqrt(best * conceivable)
        `best` is the highest BM25 of the store for this query, `conceivable` what a chunk with all of its words would
        score. Divided by the best alone, a chunk that has one word of ten counts as much as one that has all; divided
        by the conceivable alone, long questions count as unanswered. The geometric mean keeps both in sight: the best
        chunk gets the square root of the share of the query, in idf, that it covers.
    vector = (cosine - mean) / (1 - mean), at least 0
        `mean` is the cosine of the query with all chunks of the store on average. Models differ in how alike they
        find unrelated texts (0.1 for MiniLM, 0.75 for others); this takes it out without knowing the model. Of a
        small store the average says little, so it counts as if PRIOR_CHUNKS more were not alike at all.
    t is the share of the query's letters that are of a script the embedding model was trained on; 0 without a vector.

Scores are combined, not ranks, because a rank forgets by how much a chunk was better (reciprocal rank fusion lost
to this on every judged set), and every candidate of one leg is scored by the other too. `w` is the only fitted
number; docs/decisions has how, and on what.
"""

import re
from collections.abc import Mapping

from mainstay.knowledge.retrieval.models import Generation

BM25_K1 = 1.2
BM25_B = 0.75
LEXICAL_WEIGHT = 0.8
# How many chunks each leg proposes; all of them are scored by both.
CANDIDATES = 100
PRIOR_CHUNKS = 10
# A vector that is alike to everything says nothing; the scale must not explode there.
SIMILARITY_MEAN_MAX = 0.95

_LETTER = re.compile(r"[^\W\d_]")
_LATIN = re.compile(r"[A-Za-z\u00aa-\u024f\u1e00-\u1eff]")
# Models that were trained on the Latin script alone, by their names; their vectors of other scripts are noise.
_LATIN_ONLY = ("minilm-l6", "minilm-l12", "all-mpnet-base")


def vector_trust(query: str, embedding_model: str) -> float:
    """Return the share of the query's letters, 0 to 1, that are of a script the model knows; 1 without letters."""
    name = embedding_model.casefold()
    if "multilingual" in name or not any(known in name for known in _LATIN_ONLY):
        return 1.0
    letters = len(_LETTER.findall(query))
    return len(_LATIN.findall(query)) / letters if letters else 1.0


def parameters(query: str, generation: Generation, *, has_vector: bool) -> Mapping[str, float]:
    """Return the parameters of the query `search_hybrid` that decide on scores."""
    mean = (generation.similarity_mean or 0.0) * generation.chunk_count / (generation.chunk_count + PRIOR_CHUNKS)
    return {
        "k1": BM25_K1,
        "b": BM25_B,
        "lexical_weight": LEXICAL_WEIGHT,
        "vector_weight": vector_trust(query, generation.embedding_model) if has_vector else 0.0,
        "similarity_mean": min(max(mean, 0.0), SIMILARITY_MEAN_MAX),
    }
