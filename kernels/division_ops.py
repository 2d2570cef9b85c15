"""Quotients and remainders. Integers refuse a divisor of zero, as TensorFlow does."""

from __future__ import annotations

from typing import Any

from ..graphfmt.errors import invalid
from . import shapes, types
from .broadcasting import conj, sum_to
from .builder import GraphBuilder, NodeView, Tensor
from .registry import Op, op


def _binary(name: str, allowed: str, ufunc: str = "", operator: str = "") -> Op:
    return op(
        f"{name}(x: T, y: T; T: type in {allowed}) -> (z: T)",
        shape=shapes.broadcast_inputs,
        fresh=True,
        ufunc=ufunc,
        operator=operator,
    )


div = _binary("Div", types.ARITHMETIC)
real_div = _binary("RealDiv", types.ARITHMETIC, "true_divide", "{} / {}")
real_div.kernel_types["T"] = frozenset({"bfloat16", "half", "float", "double", "complex64", "complex128"})


def _truncated_quotient(xp: Any, x: Any, y: Any) -> Any:
    if x.dtype.kind not in "iu":
        return x / y
    if not xp.all(y):
        raise invalid("integer division by zero")
    # Python's quotient rounds down: one too low where the signs differ and something is left over.
    down = x // y
    if x.dtype.kind == "u":
        return down
    return down + ((down < 0) & (down * y != x)).astype(x.dtype)


div.kernel(_truncated_quotient)


@div.gradient
@real_div.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    x, y = node.inputs
    x_, y_ = conj(g, x), conj(g, y)
    return sum_to(g, dz / y_, x, y), sum_to(g, dz * ((-x_ / y_) / y_), y, x)
