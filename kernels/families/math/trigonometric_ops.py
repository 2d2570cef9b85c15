"""Trigonometric and hyperbolic functions and their inverses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...builder.broadcast_gradients import conj, sum_to
from ...core import types
from ...core.registry import Family
from ..elementwise import binary, unary

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor

family = Family(__name__)

sin = unary(family, "Sin", types.FLOATS_AND_COMPLEX, "sin")
cos = unary(family, "Cos", types.FLOATS_AND_COMPLEX, "cos")
tan = unary(family, "Tan", types.FLOATS_AND_COMPLEX, "tan")
asin = unary(family, "Asin", types.FLOATS_AND_COMPLEX, "arcsin")
acos = unary(family, "Acos", types.FLOATS_AND_COMPLEX, "arccos")
atan = unary(family, "Atan", types.FLOATS_AND_COMPLEX, "arctan")
sinh = unary(family, "Sinh", types.FLOATS_AND_COMPLEX, "sinh")
cosh = unary(family, "Cosh", types.FLOATS_AND_COMPLEX, "cosh")
asinh = unary(family, "Asinh", types.FLOATS_AND_COMPLEX, "arcsinh")
acosh = unary(family, "Acosh", types.FLOATS_AND_COMPLEX, "arccosh")
atanh = unary(family, "Atanh", types.FLOATS_AND_COMPLEX, "arctanh")
atan2 = binary(family, "Atan2", types.FLOATS, "arctan2", arguments="y: T, x: T")


@sin.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return dy * g.Cos(conj(g, node.inputs[0]))


@cos.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return -(dy * g.Sin(conj(g, node.inputs[0])))


@tan.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return dy * g.Square(g.Reciprocal(g.Cos(conj(g, node.inputs[0]))))


def _one_minus_square(g: GraphBuilder, x: Tensor) -> Tensor:
    return g.constant(1, x.dtype) - g.Square(x)


@asin.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return dy * g.Reciprocal(g.Sqrt(_one_minus_square(g, conj(g, node.inputs[0]))))


@acos.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return -(dy * g.Reciprocal(g.Sqrt(_one_minus_square(g, conj(g, node.inputs[0])))))


@atan.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    x = conj(g, node.inputs[0])
    return dy * g.Reciprocal(g.constant(1, x.dtype) + g.Square(x))


@sinh.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return dy * g.Cosh(conj(g, node.inputs[0]))


@cosh.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return dy * g.Sinh(conj(g, node.inputs[0]))


@asinh.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return dy / g.Cosh(conj(g, node.outputs[0]))


@acosh.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return dy / g.Sinh(conj(g, node.outputs[0]))


@atanh.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return dy * g.Reciprocal(_one_minus_square(g, conj(g, node.inputs[0])))


@atan2.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    y, x = node.inputs
    scaled = dz / (g.Square(x) + g.Square(y))
    return sum_to(g, x * scaled, y, x), sum_to(g, -(y * scaled), x, y)
