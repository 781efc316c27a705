"""Linear layers in eight bits: weights once, activations anew for each token.

Weights are symmetric with a scale per output column; activations have a scale per token ("token-wise quantisation":
ZeroQuant, Yao et al. 2022). A scale per tensor, which ONNX Runtime's own dynamic quantisation has, would make a vector
depend on the other texts of its batch, and lets one unusual token cost all others their precision: over prose in three
languages the lowest cosine to float32 was 0.977, and is 0.990 this way.
"""

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from mainstay.control.gateway.providers.minilm.graph import MICROSOFT, Graph
from mainstay.control.gateway.providers.minilm.weights import Floats

# Weights stay within ±64: then two products of uint8 and int8 fit the int16 in which x86 CPUs without VNNI add them
# (2 · 255 · 64 < 2¹⁵), and every CPU computes the same integers. The rest of the eighth bit is worth 0.002 of cosine.
WEIGHT_LEVEL_MAX = 64
WORD_LEVEL_MAX = 127
# GELU never goes below -0.17: 15 levels below zero hold that, and the other 240 are for what lies above.
GELU_MIN = -0.17
GELU_ZERO_LEVEL = 15
_LEVEL_MAX = 255
_MIDDLE_LEVEL = 128


class Int8Graph(Graph):
    """Makes word embeddings and linear layers of int8 constants."""

    def __init__(self) -> None:
        super().__init__()
        self._last_axis = self.constant(np.array([-1]))
        self._one = self.constant(np.float32(1))

    def rows_of(self, table: Floats, ids: str) -> str:
        """Return the rows of `table` with these ids; each row has a scale of its own."""
        levels, scales = quantise(table, axis=1, level_max=WORD_LEVEL_MAX)
        found = self.node("Cast", self.node("Gather", self.constant(levels), ids), to=TensorProto.FLOAT)
        return self.node("Mul", found, self.node("Gather", self.constant(scales), ids))

    def linear(self, rows: str, weight: Floats, bias: Floats, *, after_gelu: bool = False) -> str:
        """Return rows · weightᵀ + bias, multiplied in integers and scaled back."""
        steps = self._steps_of_gelu(rows) if after_gelu else self._steps(rows)
        zero = self.constant(np.uint8(GELU_ZERO_LEVEL if after_gelu else _MIDDLE_LEVEL))
        in_steps = self.node("Mul", rows, self.node("Reciprocal", steps))
        inputs = self.node("QuantizeLinear", in_steps, self._one, zero)
        levels, scales = quantise(weight.T, axis=0, level_max=WEIGHT_LEVEL_MAX)
        weights = (
            self.constant(levels),
            self._one,
            self.constant(scales[0]),
            zero,
            self.constant(np.zeros_like(levels[0])),
        )
        product = self.node("MatMulIntegerToFloat", inputs, *weights, domain=MICROSOFT)
        return self.node("Add", self.node("Mul", product, steps), self.constant(bias))

    def _steps(self, rows: str) -> str:
        # The distance of two levels. No row is all zeros: each is a layer norm, or a mix of values with a bias.
        largest = self.node("ReduceMax", self.node("Abs", rows), self._last_axis, keepdims=1)
        return self.node("Mul", largest, self.constant(np.float32(1 / (_LEVEL_MAX - _MIDDLE_LEVEL))))

    def _steps_of_gelu(self, rows: str) -> str:
        largest = self.node("ReduceMax", rows, self._last_axis, keepdims=1)
        above = self.node("Mul", largest, self.constant(np.float32(1 / (_LEVEL_MAX - GELU_ZERO_LEVEL))))
        return self.node("Max", above, self.constant(np.float32(-GELU_MIN / GELU_ZERO_LEVEL)))


def quantise(values: Floats, *, axis: int, level_max: int) -> tuple[NDArray[np.int8], Floats]:
    """Return levels within ±`level_max`, and scales of length 1 along `axis`; their product is nearly `values`."""
    scales = np.abs(values).max(axis=axis, keepdims=True) / np.float32(level_max)
    return np.rint(values / scales).astype(np.int8), scales
