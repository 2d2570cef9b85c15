"""ArgMax and ArgMin: positions of the extremes along an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape, unknown_of_rank
from ...core.registry import Family, Op
from ...core.shapes import axis_of
from ...numeric.scatter import on_host

if TYPE_CHECKING:
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="dimension")
op = family.op

_TYPES = (
    "{float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64, qint8, "
    "quint8, qint32, qint16, quint16, bool}"
)


def _drop_axis_shape(c: ShapeContext) -> Shape:
    shape, axis = c.input(0), c.constant(1)
    if c.input(1).rank not in (None, 0):
        raise invalid(f"dimension must be a scalar, but has shape {c.input(1)}")
    if shape.dims is None:
        return UNKNOWN
    if not shape.dims:
        raise invalid("the input must be of rank 1 or more, not a scalar")
    if axis is None:
        return unknown_of_rank(len(shape.dims) - 1)
    along = axis_of(int(axis), len(shape.dims), "dimension")
    return Shape((*shape.dims[:along], *shape.dims[along + 1 :]))


def _declare(name: str, axis_types: str, output_types: str, function: str, worst: float) -> Op:
    """Declares an operation; ``function`` finds the first extreme, and elements equal to ``worst`` never win."""
    declared = op(
        f"{name}(input: T, dimension: Tidx; T: type in {_TYPES}, Tidx: type in {axis_types} = int32, "
        f"output_type: type in {output_types} = int64) -> (output: output_type)",
        shape=_drop_axis_shape,
        allocates_output=True,
    )

    @declared.kernel
    def _(xp: Any, input: Any, dimension: Any, *, output_types: Any) -> Any:
        x, where = xp.asarray(input), on_host(dimension)
        if where.ndim:
            raise invalid(f"dimension must be a scalar, but has shape {list(where.shape)}")
        axis = axis_of(int(where), x.ndim, "dimension")
        if not x.shape[axis]:
            raise invalid(f"dimension {axis} is empty in shape {list(x.shape)}")
        return _first_extreme(xp, x, axis, function, worst).astype(output_types[0].numpy)

    @declared.gradient
    def _(g: Any, node: Any, dy: Any) -> tuple[None, None]:
        return None, None

    return declared


def _first_extreme(xp: Any, x: Any, axis: int, function: str, worst: float) -> Any:
    """Returns the position of the first extreme along an axis. NaN is passed over; among NaN alone it is 0."""
    if x.dtype.kind == "V":
        x = x.astype(np.float32)
    # The sum is NaN if an element is NaN; where infinities alone made it so, passing over NaN changes nothing.
    if x.dtype.kind == "f" and bool(xp.isnan(xp.add.reduce(x, axis=None) if xp is np else xp.sum(x))):
        x = xp.where(xp.isnan(x), x.dtype.type(worst), x)
    return getattr(xp, function)(x, axis=axis)


_declare("ArgMax", "{int16, int32, int64}", "{int16, uint16, int32, int64}", "argmax", -np.inf)
_declare("ArgMin", "{int32, int64}", "{int32, int64}", "argmin", np.inf)
