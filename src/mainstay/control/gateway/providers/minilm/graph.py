"""The encoder as an ONNX graph, written by hand from the published weights: no torch, no exporter.

The graph takes `token_ids`, int64 of shape (texts, tokens), where all texts have the same number of tokens, and returns
`vectors`, float32 of shape (texts, 384) and length 1. There is no padding and no mask, so a text's vector does not
depend on its neighbours in a batch.

Architecture: BERT (Devlin et al. 2018) with 6 layers of width 384 (MiniLM, Wang et al. 2020), mean pooling and L2
normalisation (Sentence-BERT, Reimers and Gurevych 2019).
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mainstay.control.gateway.providers.minilm.weights import Floats, Tensors

DIMENSIONS = 384
LAYERS = 6
HEADS = 12
NORM_EPSILON = 1e-12
OPSET = 21
IR_VERSION = 10
MICROSOFT = "com.microsoft"


class Graph:
    """Collects nodes and constants and names their values by counting. Linear layers are float32: the reference."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, value: NDArray[Any] | np.generic) -> str:
        """Add a constant and return its name."""
        name = f"c{len(self._constants)}"
        array = np.array(value, order="C")
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        return self.nodes(operator, 1, *inputs, **attributes)[0]

    def nodes(self, operator: str, outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node with several outputs and return their names."""
        names = [f"n{len(self._nodes)}_{number}" for number in range(outputs)]
        self._nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names

    def rows_of(self, table: Floats, ids: str) -> str:
        """Return the rows of `table` with these ids."""
        return self.node("Gather", self.constant(table), ids)

    def linear(self, rows: str, weight: Floats, bias: Floats, *, after_gelu: bool = False) -> str:
        """Return rows · weightᵀ + bias. `after_gelu` says that `rows` come out of a GELU, which has a lower bound."""
        return self.node("Add", self.node("MatMul", rows, self.constant(weight.T)), self.constant(bias))

    def norm(self, rows: str, tensors: Tensors, name: str) -> str:
        """Return the layer norm called `name` of `rows`."""
        scale, bias = self.constant(tensors[f"{name}.weight"]), self.constant(tensors[f"{name}.bias"])
        return self.node("LayerNormalization", rows, scale, bias, axis=-1, epsilon=NORM_EPSILON)

    def model(self, vectors: str) -> onnx.ModelProto:
        """Return the whole as a model whose output is the value called `vectors`."""
        self._nodes.append(helper.make_node("Identity", [vectors], ["vectors"]))
        ids = helper.make_tensor_value_info("token_ids", TensorProto.INT64, ["texts", "tokens"])
        output = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["texts", DIMENSIONS])
        graph = helper.make_graph(self._nodes, "minilm", [ids], [output], self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def encoder(graph: Graph, tensors: Tensors) -> onnx.ModelProto:
    """Return the encoder made of `tensors`, with the linear layers as `graph` makes them."""
    tokens = graph.node("Shape", "token_ids", start=1)
    rows = graph.norm(_embeddings(graph, tensors, tokens), tensors, "embeddings.LayerNorm")
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        mixed = _attention(graph, tensors, f"{layer}.attention.self", rows)
        rows = _add_and_norm(graph, tensors, f"{layer}.attention.output", rows, mixed)
        hidden = _linear(graph, tensors, f"{layer}.intermediate.dense", rows)
        hidden = graph.node("Gelu", hidden, domain=MICROSOFT)
        rows = _add_and_norm(graph, tensors, f"{layer}.output", rows, hidden, after_gelu=True)
    # The mean but for its length, which does not matter here. ReduceMean gives one text and many other last bits.
    ones = graph.node("ConstantOfShape", tokens, value=numpy_helper.from_array(np.ones(1, dtype=np.float32)))
    return graph.model(graph.node("LpNormalization", graph.node("MatMul", ones, rows), axis=-1, p=2))


def _embeddings(graph: Graph, tensors: Tensors, tokens: str) -> str:
    words = graph.rows_of(tensors["embeddings.word_embeddings.weight"], "token_ids")
    # There is one segment only, so its embedding is made part of the positions'.
    positions = tensors["embeddings.position_embeddings.weight"] + tensors["embeddings.token_type_embeddings.weight"][0]
    return graph.node(
        "Add", words, graph.node("Slice", graph.constant(positions), graph.constant(np.array([0])), tokens)
    )


def _attention(graph: Graph, tensors: Tensors, name: str, rows: str) -> str:
    parts = [f"{name}.{part}" for part in ("query", "key", "value")]
    weight = np.concatenate([tensors[f"{part}.weight"] for part in parts])
    bias = np.concatenate([tensors[f"{part}.bias"] for part in parts])
    query_key_value = graph.nodes("Split", 3, graph.linear(rows, weight, bias), axis=-1, num_outputs=3)
    return graph.node("MultiHeadAttention", *query_key_value, domain=MICROSOFT, num_heads=HEADS)


def _linear(graph: Graph, tensors: Tensors, name: str, rows: str, *, after_gelu: bool = False) -> str:
    return graph.linear(rows, tensors[f"{name}.weight"], tensors[f"{name}.bias"], after_gelu=after_gelu)


def _add_and_norm(
    graph: Graph, tensors: Tensors, name: str, rows: str, change: str, *, after_gelu: bool = False
) -> str:
    projected = _linear(graph, tensors, f"{name}.dense", change, after_gelu=after_gelu)
    return graph.norm(graph.node("Add", projected, rows), tensors, f"{name}.LayerNorm")
