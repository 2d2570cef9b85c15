"""Matrix products."""

from __future__ import annotations

from typing import Any

from . import shapes
from .builder import GraphBuilder, NodeView, Tensor
from .registry import op

matmul = op(
    "MatMul(a: T, b: T; transpose_a: bool = false, transpose_b: bool = false, "
    "T: type in {bfloat16, half, float, double, int32, int64, uint8, uint16, uint32, uint64, complex64, complex128}, "
    "grad_a: bool = false, grad_b: bool = false) -> (product: T)",
    shape=shapes.matmul,
    fresh=True,
)


@matmul.kernel
def _(xp: Any, a: Any, b: Any, *, transpose_a: bool, transpose_b: bool) -> Any:
    return xp.matmul(a.T if transpose_a else a, b.T if transpose_b else b)


@matmul.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, Tensor]:
    a, b = node.inputs
    match node.attr("transpose_a"), node.attr("transpose_b"):
        case False, False:
            return g.MatMul(dy, b, transpose_b=True), g.MatMul(a, dy, transpose_a=True)
        case False, True:
            return g.MatMul(dy, b), g.MatMul(dy, a, transpose_a=True)
        case True, False:
            return g.MatMul(b, dy, transpose_b=True), g.MatMul(a, dy)
        case _:
            return (
                g.MatMul(b, dy, transpose_a=True, transpose_b=True),
                g.MatMul(dy, a, transpose_a=True, transpose_b=True),
            )
