"""Elementwise arithmetic on two tensors that broadcast, and sums of many."""

from __future__ import annotations

from typing import Any

from . import shapes, types
from .broadcasting import conj, sum_to
from .builder import GraphBuilder, NodeView, Tensor
from .inference import ShapeContext
from .registry import Op, op


def _binary(name: str, allowed: str, ufunc: str = "", operator: str = "", *, commutative: bool = False) -> Op:
    return op(
        f"{name}(x: T, y: T; T: type in {allowed}) -> (z: T)",
        shape=shapes.broadcast_inputs,
        commutative=commutative,
        fresh=True,
        ufunc=ufunc,
        operator=operator,
    )


add_v2 = _binary("AddV2", types.ARITHMETIC, "add", "{} + {}", commutative=True)
add = _binary(
    "Add",
    "{bfloat16, half, float, double, uint8, int8, int16, int32, int64, complex64, complex128, string}",
    "add",
    "{} + {}",
)
sub = _binary("Sub", types.ARITHMETIC, "subtract", "{} - {}")
mul = _binary("Mul", types.ARITHMETIC, "multiply", "{} * {}", commutative=True)


@add.gradient
@add_v2.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    x, y = node.inputs
    return sum_to(g, dz, x, y), sum_to(g, dz, y, x)


@sub.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    x, y = node.inputs
    return sum_to(g, dz, x, y), sum_to(g, -dz, y, x)


@mul.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    x, y = node.inputs
    return sum_to(g, dz * conj(g, y), x, y), sum_to(g, dz * conj(g, x), y, x)


def _elementwise(function: Any) -> Any:
    """The elements of a small integer result, worked out from what is known of both inputs' elements."""

    def elements(c: ShapeContext) -> Any:
        x, y = c.elements(0), c.elements(1)
        if x is None or y is None or c.input(0).rank is None or c.input(1).rank is None:
            return None
        if len(x) != len(y):
            width = max(len(x), len(y))
            x, y = (x * width if len(x) == 1 else x), (y * width if len(y) == 1 else y)
        return tuple(None if p is None or q is None else function(p, q) for p, q in zip(x, y))

    return elements


for _declared in (add, add_v2):
    _declared.elements(_elementwise(lambda p, q: p + q))
sub.elements(_elementwise(lambda p, q: p - q))
mul.elements(_elementwise(lambda p, q: p * q))

add_n = op(
    f"AddN(inputs: N*T; N: int >= 1, T: type in {types.NUMBERS[:-1]}, variant}}) -> (sum: T)",
    shape=shapes.like_all_inputs,
    commutative=True,
)


@add_n.kernel
def _(xp: Any, inputs: tuple[Any, ...]) -> Any:
    if len(inputs) == 1:
        return inputs[0]
    total = inputs[0] + inputs[1]
    for value in inputs[2:]:
        total = total + value if total.ndim == 0 else xp.add(total, value, out=total)
    return total


@add_n.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    return [dz] * len(node.inputs)
