"""The encoder once more, in plain NumPy, straight from the papers: what the graph is compared with."""

import math

import numpy as np
from numpy.typing import NDArray

from mainstay.control.gateway.providers.minilm.weights import Tensors

HEADS = 12

erf = np.vectorize(math.erf, otypes=[np.float64])


def encode(tensors: Tensors, token_ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the vector of one text."""

    def linear(name: str, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return rows @ tensors[f"{name}.weight"].T.astype(np.float64) + tensors[f"{name}.bias"]

    def norm(name: str, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        centred = rows - rows.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
        return scaled * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]

    embeddings = {part: tensors[f"embeddings.{part}_embeddings.weight"] for part in ("word", "position", "token_type")}
    rows = embeddings["word"][token_ids].astype(np.float64) + embeddings["position"][: len(token_ids)]
    rows = norm("embeddings.LayerNorm", rows + embeddings["token_type"][0])
    for number in range(6):
        layer = f"encoder.layer.{number}"
        query, key, value = (
            linear(f"{layer}.attention.self.{part}", rows).reshape(len(rows), HEADS, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        scores = query @ key.swapaxes(1, 2) / math.sqrt(query.shape[-1])
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        mixed = (weights @ value).swapaxes(0, 1).reshape(len(rows), -1)
        output = f"{layer}.attention.output"
        rows = norm(f"{output}.LayerNorm", rows + linear(f"{output}.dense", mixed))
        hidden = linear(f"{layer}.intermediate.dense", rows)
        hidden = hidden * 0.5 * (1 + erf(hidden / math.sqrt(2)))
        rows = norm(f"{layer}.output.LayerNorm", rows + linear(f"{layer}.output.dense", hidden))
    mean = rows.mean(axis=0)
    return mean / np.linalg.norm(mean)
