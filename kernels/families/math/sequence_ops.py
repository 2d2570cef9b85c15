"""Range and LinSpace: vectors of evenly spaced numbers."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, vector
from ...core.registry import Family
from ...core.types import FLOATS, INDEX
from ...numeric.int_arguments import check_allocation

if TYPE_CHECKING:
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op


def range_size(start: Any, limit: Any, delta: Any) -> int:
    """Returns the number of elements of a range. Raises INVALID_ARGUMENT for ranges that would never end."""
    if delta == 0:
        raise invalid("the delta of a range must not be 0")
    if (delta > 0 and start > limit) or (delta < 0 and start < limit):
        raise invalid(f"start {start} and limit {limit} with delta {delta}: the range would not end")
    if isinstance(start, int):
        return -(-abs(limit - start) // abs(delta))
    count = abs((limit - start) / delta)
    if not count < 2**63:
        raise invalid(f"a range from {start} to {limit} by {delta} has too many elements")
    return ceil(count)


def _range_shape(c: ShapeContext) -> Shape:
    for key in range(3):
        c.with_rank(key, 0)
    values = [c.constant(key) for key in range(3)]
    if any(value is None for value in values):
        return vector(None)
    return vector(range_size(*(value.item() for value in values if value is not None)))


range_op = op(
    "Range(start: Tidx, limit: Tidx, delta: Tidx; Tidx: type in {bfloat16, half, float, double, int8, int16, "
    "int32, int64, uint16, uint32, uint64} = int32) -> (output: Tidx)",
    shape=_range_shape,
    differentiable=False,
    allocates_output=True,
    computed_on_host=True,
)


@range_op.kernel
def _(xp: Any, start: Any, limit: Any, delta: Any) -> Any:
    for value, name in ((start, "start"), (limit, "limit"), (delta, "delta")):
        if value.ndim:
            raise invalid(f"{name} must be a scalar, but has shape {Shape(value.shape)}")
    count = range_size(start.item(), limit.item(), delta.item())
    check_allocation([count], start.dtype.itemsize, "range")
    if start.dtype.kind in "iu":
        return xp.arange(start.item(), start.item() + count * delta.item(), delta.item(), start.dtype)
    return start + delta * xp.arange(count).astype(start.dtype)


def _linspace_shape(c: ShapeContext) -> Shape:
    for key in range(3):
        c.with_rank(key, 0)
    count = c.elements(2)
    if count is not None and count[0] is not None and count[0] <= 0:
        raise invalid(f"num must be positive, but is {count[0]}")
    return vector(None if count is None else count[0])


lin_space = op(
    f"LinSpace(start: T, stop: T, num: Tidx; T: type in {FLOATS}, Tidx: type in {INDEX} = int32) -> "
    "(output: T)",
    shape=_linspace_shape,
    differentiable=False,
    allocates_output=True,
    computed_on_host=True,
)


@lin_space.kernel
def _(xp: Any, start: Any, stop: Any, num: Any) -> Any:
    for value, name in ((start, "start"), (stop, "stop"), (num, "num")):
        if value.ndim:
            raise invalid(f"{name} must be a scalar, but has shape {Shape(value.shape)}")
    count = int(num)
    if count <= 0:
        raise invalid(f"num must be positive, but is {count}")
    check_allocation([count], start.dtype.itemsize, "num")
    if count == 1:
        return xp.full(1, start, start.dtype)
    step = (stop - start) / start.dtype.type(count - 1)
    values = start + step * xp.arange(count).astype(start.dtype)
    values[-1] = stop
    return values
