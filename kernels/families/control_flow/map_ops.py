"""MapDefun: a function of the library, applied to each row of its arguments (map_defun_op.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core.registry import Family
from ...core.traits import GpuSupport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ...core.context import Callee
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


def _mapped_shapes(c: ShapeContext) -> list[Shape]:
    types, stated = c.attr("output_types"), c.attr("output_shapes")
    if len(types) != len(stated):
        raise invalid(f"`output_shapes` has {len(stated)} entries and `output_types` {len(types)}")
    rows: int | None = None
    for place in range(len(c.attr("Targuments"))):
        dims = c.with_rank_at_least(place, 1).dims
        size = None if dims is None else dims[0]
        if size is not None and rows not in (None, size):
            raise invalid("All inputs must have the same dimension 0.")
        rows = size if rows is None else rows
    return [UNKNOWN if one.dims is None else Shape((rows, *one.dims)) for one in stated]


mapped = op(
    "MapDefun(arguments: *Targuments, captured_inputs: *Tcaptured; Targuments: list(type) >= 1, "
    "Tcaptured: list(type) >= 0 = [], output_types: list(type) >= 1, output_shapes: list(shape) >= 1, f: func, "
    "max_intra_op_parallelism: int = 1) -> (output: *output_types)",
    shape=_mapped_shapes,
)


@mapped.kernel
def _(
    ctx: Any,
    xp: Any,
    arguments: Sequence[Any],
    captured_inputs: Sequence[Any],
    *,
    output_types: Sequence[DType],
    output_shapes: Sequence[Shape],
    f: Callee,
) -> list[Any]:
    columns = [np.asarray(argument) for argument in arguments]
    if any(not column.ndim for column in columns):
        raise invalid("All inputs must have rank at least 1.")
    rows = len(columns[0])
    if any(len(column) != rows for column in columns):
        raise invalid("All inputs must have the same dimension 0.")
    results: list[Sequence[Any]] = []
    for row in range(rows):
        ctx.check_cancelled()
        results.append(f(ctx, *(column[row] for column in columns), *captured_inputs))
    return [
        _stacked([result[place] for result in results], dtype, shape, place)
        for place, (dtype, shape) in enumerate(zip(output_types, output_shapes))
    ]


def _stacked(values: Sequence[Any], dtype: DType, stated: Shape, place: int) -> Any:
    """The rows of one result. Raises INVALID_ARGUMENT for a shape other than the stated one."""
    if not values:
        if not stated.is_fully_known:
            raise invalid(f"without rows, the shape of output {place} must be known, but is {stated}")
        return np.zeros((0, *(size or 0 for size in stated.dims or ())), dtype.numpy)
    arrays = [np.asarray(value, object) if dtype is dtypes.variant else np.asarray(value) for value in values]
    for array in arrays:
        if not Shape(array.shape).is_compatible(stated):
            raise invalid(f"output {place} has shape {Shape(array.shape)}, but {stated} is stated")
    if len({array.shape for array in arrays}) > 1:
        raise invalid(f"the rows of output {place} have different shapes")
    return np.stack(arrays)
