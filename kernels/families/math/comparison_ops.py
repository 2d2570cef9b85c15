"""Comparisons, logical operations, and tests for NaN and infinity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import TfgError, invalid
from ....graphfmt.shapes import SCALAR, UNKNOWN, Shape, broadcast
from ...core import shapes, types
from ...core.registry import Family

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op

for _name, _ufunc, _operator in (
    ("Less", "less", "{} < {}"),
    ("LessEqual", "less_equal", "{} <= {}"),
    ("Greater", "greater", "{} > {}"),
    ("GreaterEqual", "greater_equal", "{} >= {}"),
):
    op(
        f"{_name}(x: T, y: T; T: type in {types.REAL_NUMBERS}) -> (z: bool)",
        shape=shapes.broadcast_inputs,
        differentiable=False,
        allocates_output=True,
        ufunc=_ufunc,
        operator=_operator,
    )

for _name, _ufunc in (("LogicalAnd", "logical_and"), ("LogicalOr", "logical_or")):
    op(
        f"{_name}(x: bool, y: bool) -> (z: bool)",
        shape=shapes.broadcast_inputs,
        differentiable=False,
        commutative=True,
        allocates_output=True,
        ufunc=_ufunc,
    )

op(
    "LogicalNot(x: bool) -> (y: bool)",
    shape=shapes.like_input,
    differentiable=False,
    allocates_output=True,
    ufunc="logical_not",
)

for _name, _ufunc in (("IsNan", "isnan"), ("IsInf", "isinf"), ("IsFinite", "isfinite")):
    op(
        f"{_name}(x: T; T: type in {types.FLOATS}) -> (y: bool)",
        shape=shapes.like_input,
        allocates_output=True,
        ufunc=_ufunc,
    )


# Equality, of every dtype.


def _equality_shape(c: ShapeContext) -> Shape:
    x, y = c.inputs()
    if c.attr("incompatible_shape_error"):
        return broadcast(x, y)
    if not (x.is_fully_known and y.is_fully_known):
        return UNKNOWN
    try:
        return broadcast(x, y)
    except TfgError:
        return SCALAR


def _are_broadcastable(x: Sequence[int], y: Sequence[int]) -> bool:
    return all(p == q or p == 1 or q == 1 for p, q in zip(reversed(x), reversed(y)))


equal = op(
    "Equal(x: T, y: T; T: type, incompatible_shape_error: bool = true) -> (z: bool)",
    shape=_equality_shape,
    differentiable=False,
    commutative=True,
    allocates_output=True,
)
not_equal = op(
    "NotEqual(x: T, y: T; T: type, incompatible_shape_error: bool = true) -> (z: bool)",
    shape=_equality_shape,
    differentiable=False,
    commutative=True,
    allocates_output=True,
)


def _compare(xp: Any, ufunc: Any, x: Any, y: Any, must_broadcast: bool) -> Any:
    """Compares elementwise. Shapes that do not broadcast count as unequal, unless they must broadcast."""
    if x.shape != y.shape and not _are_broadcastable(x.shape, y.shape):
        if must_broadcast:
            raise invalid(f"shapes {list(x.shape)} and {list(y.shape)} do not broadcast")
        return xp.bool_(ufunc is xp.not_equal)
    if x.dtype == object:
        return xp.asarray(ufunc(x, y), dtype=bool)
    return ufunc(x, y)


@equal.kernel
def _(xp: Any, x: Any, y: Any, *, incompatible_shape_error: bool) -> Any:
    return _compare(xp, xp.equal, x, y, incompatible_shape_error)


@not_equal.kernel
def _(xp: Any, x: Any, y: Any, *, incompatible_shape_error: bool) -> Any:
    return _compare(xp, xp.not_equal, x, y, incompatible_shape_error)


approximate_equal = op(
    f"ApproximateEqual(x: T, y: T; T: type in {types.NUMBERS}, tolerance: float = 1e-05) -> (z: bool)",
    shape=shapes.like_all_inputs,
    differentiable=False,
    commutative=True,
    allocates_output=True,
)


@approximate_equal.kernel
def _(xp: Any, x: Any, y: Any, *, tolerance: float) -> Any:
    if x.shape != y.shape:
        raise invalid(
            f"ApproximateEqual needs two tensors of one shape, not {list(x.shape)} and {list(y.shape)}"
        )
    if x.dtype.kind in "iu":
        distance = xp.maximum(x, y) - xp.minimum(x, y)
        return distance < tolerance
    distance = xp.abs(x - y)
    return distance < distance.dtype.type(tolerance)
