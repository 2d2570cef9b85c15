"""Elementwise arithmetic."""

from __future__ import annotations

from typing import Any

from . import shapes
from .broadcasting import conj, sum_to
from .builder import GraphBuilder, NodeView, Tensor
from .registry import op

mul = op(
    "Mul(x: T, y: T; T: type in {bfloat16, half, float, double, uint8, int8, uint16, int16, int32, uint32, uint64, int64, complex64, complex128}) -> (z: T)",
    shape=shapes.broadcast_inputs,
    commutative=True,
    fresh=True,
    ufunc="multiply",
    operator="{} * {}",
)


@mul.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    x, y = node.inputs
    return sum_to(g, dz * conj(g, y), x, y), sum_to(g, dz * conj(g, x), y, x)
