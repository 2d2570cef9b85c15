"""Elementwise sums, differences and products, AddN, NextAfter and Cross."""

from __future__ import annotations

from functools import reduce
from operator import add as plus
from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import UNKNOWN, Shape, merge_dim
from ...builder.broadcast_gradients import conj, sum_to
from ...core import shapes, types
from ...core.facts import Fact
from ...core.registry import Family
from ..elementwise import binary, known_elements, zeros_where

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.binding import Binding
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op

add_v2 = binary(family, "AddV2", types.ARITHMETIC, "add", "{} + {}", commutative=True)
add = binary(
    family,
    "Add",
    "{bfloat16, half, float, double, uint8, int8, int16, int32, int64, complex64, complex128, string}",
    "add",
    "{} + {}",
)
sub = binary(family, "Sub", types.ARITHMETIC, "subtract", "{} - {}")
mul = binary(family, "Mul", types.ARITHMETIC, "multiply", "{} * {}", commutative=True)
mul_no_nan = binary(family, "MulNoNan", types.FLOATS_AND_COMPLEX)
squared_difference = binary(
    family,
    "SquaredDifference",
    "{bfloat16, half, float, double, int32, int64, complex64, complex128}",
    commutative=True,
)
next_after = op(
    "NextAfter(x1: T, x2: T; T: type in {double, float} = float) -> (output: T)",
    shape=shapes.broadcast_inputs,
    allocates_output=True,
    ufunc="nextafter",
)


@add.bind
def _(b: Binding) -> Any:
    """Concatenates strings; numpy leaves that to the bytes objects."""
    if b.input_types[0].name != "string":
        return None

    def joined(x: Any, y: Any) -> Any:
        return b.xp.asarray(b.xp.add(x, y), dtype=object)

    return joined


@add.gradient
@add_v2.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    x, y = node.inputs
    return sum_to(g, dz, x, y), sum_to(g, dz, y, x)


@sub.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    x, y = node.inputs
    return sum_to(g, dz, x, y), -sum_to(g, dz, y, x)


@mul.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    x, y = node.inputs
    return sum_to(g, dz * conj(g, y), x, y), sum_to(g, dz * conj(g, x), y, x)


@mul_no_nan.kernel
def _(xp: Any, x: Any, y: Any) -> Any:
    """Computes x * y, but 0 where y is 0, even if x is infinite or NaN."""
    return zeros_where(xp, y == 0, x * y)


@mul_no_nan.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    x, y = node.inputs
    return sum_to(g, g.MulNoNan(dz, y), x, y), sum_to(g, g.MulNoNan(x, dz), y, x)


@squared_difference.kernel
def _(xp: Any, x: Any, y: Any) -> Any:
    difference = x - y
    return difference * difference.conj() if x.dtype.kind == "c" else difference * difference


@squared_difference.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    x, y = node.inputs
    dx = g.constant(2, dz.dtype) * dz * (x - y)
    return sum_to(g, dx, x, y), -sum_to(g, dx, y, x)


@next_after.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    x, y = node.inputs
    return sum_to(g, dz, x, y), g.zeros_like(y)


add.elements(known_elements(lambda p, q: p + q))
add_v2.elements(known_elements(lambda p, q: p + q))
sub.elements(known_elements(lambda p, q: p - q))
mul.elements(known_elements(lambda p, q: p * q))

# Sums of many tensors of one shape.


def _add_n_fact(c: ShapeContext) -> Fact:
    """The merged shape of all inputs, and for tensor lists the dtype and shape of their elements."""
    handles = [fact.handle for fact in c.facts if fact.handle is not None]
    shape = reduce(Shape.merge, (handle.shape for handle in handles), UNKNOWN)
    if any(handle.dtype is not handles[0].dtype for handle in handles):
        raise invalid("AddN needs lists of one dtype, but has lists of several")
    handle = handles[0]._replace(shape=shape) if handles else None
    return Fact(c.bound.output_types[0], shapes.like_all_inputs(c), handle=handle)


add_n = op(
    f"AddN(inputs: N*T; N: int >= 1, T: type in {types.NUMBERS[:-1]}, variant}}) -> (sum: T)",
    shape=_add_n_fact,
    commutative=True,
)


@add_n.kernel
def _sum(xp: Any, inputs: tuple[Any, ...]) -> Any:
    first = inputs[0]
    if len(inputs) == 1:
        return first
    if getattr(first, "dtype", None) in (None, object):
        return reduce(plus, inputs)
    for value in inputs:
        if value.shape != first.shape:
            raise invalid(
                f"AddN needs inputs of one shape, but has {list(first.shape)} and {list(value.shape)}"
            )
    total = first + inputs[1]
    for value in inputs[2:]:
        total = total + value if total.ndim == 0 else xp.add(total, value, out=total)
    return total


@add_n.gradient
def _repeat_gradient(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    return [dz] * len(node.inputs)


def _accumulated_shape(c: ShapeContext) -> Shape:
    return shapes.like_all_inputs(c).merge(c.attrs["shape"])


accumulate_n = op(
    f"AccumulateNV2(inputs: N*T; N: int >= 1, T: type in {types.NUMBERS}, shape: shape) -> (sum: T)",
    shape=_accumulated_shape,
    commutative=True,
)


@accumulate_n.kernel
def _(xp: Any, inputs: tuple[Any, ...], *, shape: Shape) -> Any:
    for value in inputs:
        if not shape.is_compatible(Shape(value.shape)):
            raise invalid(f"AccumulateNV2 of shape {shape} cannot add an input of shape {Shape(value.shape)}")
    return _sum(xp, inputs)


accumulate_n.gradient(_repeat_gradient)


# Cross products.


def _cross_shape(c: ShapeContext) -> Shape:
    a = c.with_rank_at_least(0, 1).merge(c.with_rank_at_least(1, 1))
    if a.dims is None:
        return a
    return Shape((*a.dims[:-1], merge_dim(a.dims[-1], 3)))


cross = op(
    f"Cross(a: T, b: T; T: type in {types.REAL_NUMBERS}) -> (product: T)",
    shape=_cross_shape,
    allocates_output=True,
)


@cross.kernel
def _(xp: Any, a: Any, b: Any) -> Any:
    if a.shape != b.shape or a.ndim == 0:
        raise invalid(f"Cross needs two tensors of one shape, but has {list(a.shape)} and {list(b.shape)}")
    if a.shape[-1] != 3:
        raise TfgError(
            Status.FAILED_PRECONDITION, f"Cross is defined for vectors of 3, not of {a.shape[-1]} elements"
        )
    product = xp.empty_like(a)
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        product[..., i] = a[..., j] * b[..., k] - a[..., k] * b[..., j]
    return product


@cross.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    a, b = node.inputs
    return g.Cross(b, dz), g.Cross(dz, a)
