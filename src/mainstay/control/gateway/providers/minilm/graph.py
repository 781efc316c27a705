"""The encoder as an ONNX graph, written by hand from the published weights: no torch, no exporter.

The graph takes `token_ids`, int64 of shape (texts, tokens), where all texts have the same number of tokens, and returns
`vectors`, float32 of shape (texts, 384) and length 1. There is no padding and no mask, so a text's vector does not
depend on its neighbours in a batch.

Architecture: BERT (Devlin et al. 2018) with 6 layers of width 384 (MiniLM, Wang et al. 2020), mean pooling and L2
normalisation (Sentence-BERT, Reimers and Gurevych 2019).

Quantisation: weights are symmetric int8 per output column, activations uint8 per token ("per-token dynamic
quantisation", as in ZeroQuant, Yao et al. 2022); only matrix products with weights are quantised. A scale per tensor,
as ONNX Runtime's own dynamic quantisation has it, would make a vector depend on the other texts of its batch.
"""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mainstay.control.gateway.providers.minilm.weights import Tensors

DIMENSIONS = 384
LAYERS = 6
HEADS = 12
NORM_EPSILON = 1e-12
OPSET = 21
IR_VERSION = 10

# Weights stay within ±64: then two products of uint8 and int8 fit the int16 that x86 CPUs without VNNI add them in
# (2 · 255 · 64 < 2¹⁵), and every CPU computes the same integers. The eighth bit would be worth 0.002 of cosine.
WEIGHT_MAX = 64
# GELU never goes below -0.17, so its outputs are shifted by this and use all 256 levels.
GELU_SHIFT = 0.17

_MS = "com.microsoft"


def save_graph(tensors: Tensors, path: Path, *, quantised: bool = True) -> None:
    """Write the encoder made of `tensors` to `path`; unquantised it is the float32 reference for tests."""
    graph = _Graph(quantised=quantised)
    _encoder(graph, tensors)
    onnx.save(graph.model(), path)


class _Graph:
    """Collects nodes and constants; names values by counting."""

    def __init__(self, *, quantised: bool) -> None:
        self.quantised = quantised
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: NDArray[np.generic] | np.generic) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value).reshape(np.shape(value)), name))
        return name

    def node(self, operator: str, *inputs: str, domain: str = "", **attributes: float | str | list[int]) -> str:
        return self.nodes_of(operator, 1, *inputs, domain=domain, **attributes)[0]

    def nodes_of(
        self, operator: str, outputs: int, *inputs: str, domain: str = "", **attributes: float | str | list[int]
    ) -> list[str]:
        names = [f"n{len(self.nodes)}_{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, domain=domain, **attributes))
        return names

    def linear(
        self, rows: str, weight: NDArray[np.float32], bias: NDArray[np.float32], *, lowest: float | None = None
    ) -> str:
        """Return rows · weightᵀ + bias, for `rows` of shape (rows, inputs); `lowest` is a bound below its values."""
        if not self.quantised:
            return self.node("Add", self.node("MatMul", rows, self.constant(weight.T)), self.constant(bias))
        levels, scales = quantise_columns(weight.T)
        # A row of zeros, which would divide by zero, cannot come out of a layer norm or a GELU with these weights.
        if lowest is None:
            largest = self.node("ReduceMax", self.node("Abs", rows), self.constant(np.array([-1])), keepdims=1)
            step = self.node("Mul", largest, self.constant(np.float32(1 / 127)))
            zero = self.constant(np.uint8(128))
        else:
            rows = self.node("Add", rows, self.constant(np.float32(-lowest)))
            largest = self.node("ReduceMax", rows, self.constant(np.array([-1])), keepdims=1)
            step = self.node("Mul", largest, self.constant(np.float32(1 / 255)))
            zero = self.constant(np.uint8(0))
            bias = bias + lowest * (levels * scales).sum(axis=0, dtype=np.float64).astype(np.float32)
        one = self.constant(np.float32(1))
        steps = self.node("Mul", rows, self.node("Reciprocal", step))
        quantised = self.node("QuantizeLinear", steps, one, zero)
        no_shift = self.constant(np.zeros_like(levels[0]))
        product = self.node(
            "MatMulIntegerToFloat",
            quantised,
            self.constant(levels),
            one,
            self.constant(scales),
            zero,
            no_shift,
            domain=_MS,
        )
        return self.node("Add", self.node("Mul", product, step), self.constant(bias))

    def norm(self, rows: str, tensors: Tensors, name: str) -> str:
        scale, bias = self.constant(tensors[f"{name}.weight"]), self.constant(tensors[f"{name}.bias"])
        return self.node("LayerNormalization", rows, scale, bias, axis=-1, epsilon=NORM_EPSILON)

    def model(self) -> onnx.ModelProto:
        ids = helper.make_tensor_value_info("token_ids", TensorProto.INT64, ["texts", "tokens"])
        vectors = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["texts", DIMENSIONS])
        graph = helper.make_graph(self.nodes, "minilm", [ids], [vectors], self.constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(_MS, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def quantise_columns(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return levels within ±WEIGHT_MAX and one scale per column, so that levels · scales is nearly `weight`."""
    scales = (np.abs(weight).max(axis=0) / WEIGHT_MAX).astype(np.float32)
    return np.rint(weight / scales).astype(np.int8), scales


def _encoder(graph: _Graph, tensors: Tensors) -> None:
    shape = graph.node("Shape", "token_ids")
    wide = graph.node("Concat", shape, graph.constant(np.array([DIMENSIONS])), axis=0)
    # Everything but attention works on rows of tokens, whichever text they belong to.
    rows_shape = graph.constant(np.array([-1, DIMENSIONS]))
    rows = graph.node("Reshape", _embeddings(graph, tensors, shape), rows_shape)
    rows = graph.norm(rows, tensors, "embeddings.LayerNorm")
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        rows = _attention(graph, tensors, layer, rows, wide, rows_shape)
        rows = _feed_forward(graph, tensors, layer, rows)
    pooled = graph.node("ReduceMean", graph.node("Reshape", rows, wide), graph.constant(np.array([1])), keepdims=0)
    graph.nodes.append(helper.make_node("LpNormalization", [pooled], ["vectors"], axis=-1, p=2))


def _embeddings(graph: _Graph, tensors: Tensors, shape: str) -> str:
    words = tensors["embeddings.word_embeddings.weight"]
    if graph.quantised:
        scales = np.abs(words).max(axis=1, keepdims=True) / np.float32(127)
        levels = np.rint(words / scales).astype(np.int8)
        gathered = graph.node("Cast", graph.node("Gather", graph.constant(levels), "token_ids"), to=TensorProto.FLOAT)
        word = graph.node("Mul", gathered, graph.node("Gather", graph.constant(scales), "token_ids"))
    else:
        word = graph.node("Gather", graph.constant(words), "token_ids")
    # Sentence encoders see one segment, so its embedding is part of the position's.
    positions = tensors["embeddings.position_embeddings.weight"] + tensors["embeddings.token_type_embeddings.weight"][0]
    tokens = graph.node("Gather", shape, graph.constant(np.array([1])))
    position = graph.node("Slice", graph.constant(positions), graph.constant(np.array([0])), tokens)
    return graph.node("Add", word, position)


def _attention(graph: _Graph, tensors: Tensors, layer: str, rows: str, wide: str, rows_shape: str) -> str:
    parts = [f"{layer}.attention.self.{part}" for part in ("query", "key", "value")]
    weight = np.concatenate([tensors[f"{part}.weight"] for part in parts])
    bias = np.concatenate([tensors[f"{part}.bias"] for part in parts])
    split = graph.nodes_of("Split", 3, graph.linear(rows, weight, bias), axis=-1, num_outputs=3)
    heads = [graph.node("Reshape", part, wide) for part in split]
    mixed = graph.node("MultiHeadAttention", *heads, domain=_MS, num_heads=HEADS)
    output = f"{layer}.attention.output"
    mixed = graph.node("Reshape", mixed, rows_shape)
    projected = graph.linear(mixed, tensors[f"{output}.dense.weight"], tensors[f"{output}.dense.bias"])
    return graph.norm(graph.node("Add", projected, rows), tensors, f"{output}.LayerNorm")


def _feed_forward(graph: _Graph, tensors: Tensors, layer: str, rows: str) -> str:
    up, down = f"{layer}.intermediate.dense", f"{layer}.output.dense"
    hidden = graph.node("Gelu", graph.linear(rows, tensors[f"{up}.weight"], tensors[f"{up}.bias"]), domain=_MS)
    narrowed = graph.linear(hidden, tensors[f"{down}.weight"], tensors[f"{down}.bias"], lowest=-GELU_SHIFT)
    return graph.norm(graph.node("Add", narrowed, rows), tensors, f"{layer}.output.LayerNorm")
