"""Elementwise functions of one tensor: powers, roots, exponentials, signs and rounding."""

from __future__ import annotations

from . import shapes, types
from .broadcasting import conj
from .builder import GraphBuilder, NodeView, Tensor
from .registry import Op, op


def _unary(name: str, allowed: str, ufunc: str = "", operator: str = "") -> Op:
    return op(
        f"{name}(x: T; T: type in {allowed}) -> (y: T)",
        shape=shapes.like_input,
        fresh=True,
        ufunc=ufunc,
        operator=operator,
    )


neg = _unary("Neg", types.SIGNED, "negative", "-{}")
square = _unary("Square", types.ARITHMETIC, "square")
exp = _unary("Exp", types.FLOATS_AND_COMPLEX, "exp")
log = _unary("Log", types.FLOATS_AND_COMPLEX, "log")


@neg.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return -dy


@square.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    x = conj(g, node.inputs[0])
    return dy * (x * g.constant(2, x.dtype))


@exp.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return dy * conj(g, node.outputs[0])


@log.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return dy / conj(g, node.inputs[0])
