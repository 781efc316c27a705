"""ONNX Runtime and the tokenizer, held to one thread a call, no network and little memory."""

import os
from collections.abc import Sequence
from pathlib import Path

# The official builds of ONNX Runtime send telemetry and keep a device id in the home folder unless this is set before
# the library is loaded (Privacy.md in its wheel). The threads are ours: see model.py.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from mainstay.control.gateway.models import Vectors
from mainstay.control.gateway.providers.minilm.errors import ModelUnusable
from mainstay.control.gateway.providers.minilm.weights import TOKENIZER_SHA256, model_folder, require_digest


class Session:
    """A loaded graph, which may run in several threads at once."""

    def __init__(self, graph: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # Errors; what it warns of concerns whoever writes a graph, and is no JSON.
        # A memory pattern would be kept for each shape ever seen, and every length of text is one.
        options.enable_mem_pattern = False
        # Further passes would fuse SkipLayerNormalization, which takes seven times as long as its two parts.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ModelUnusable(
                f"{graph} cannot be loaded: {error}. Remove the folder, and it is built again."
            ) from error

    def run(self, token_ids: NDArray[np.int64]) -> Vectors:
        """Return vectors of shape (texts, dimensions) for token ids of shape (texts, tokens)."""
        vectors = self._session.run(["vectors"], {"token_ids": token_ids})[0]
        return np.asarray(vectors, dtype=np.float32)


class WordPieces:
    """The model's tokenizer: lower-cased word pieces between two special tokens."""

    def __init__(self) -> None:
        path = model_folder() / "tokenizer.json"
        require_digest(path, TOKENIZER_SHA256)
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def encode(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Return the token ids of each text, all of them, special ones included."""
        return [np.array(encoding.ids, dtype=np.int64) for encoding in self._tokenizer.encode_batch_fast(list(texts))]
