"""LowerBound, UpperBound, Bucketize: positions of values among sorted ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, merge_dim
from ...core import shapes
from ...core.registry import Family
from .topk_ops import ascending_keys

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ...core.binding import Binding
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op


def _bound_shape(c: ShapeContext) -> Shape:
    values = c.with_rank(1, 2)
    merge_dim(c.with_rank(0, 2)[0], values[0])
    return values


def _declare_bound(name: str, side: str) -> Any:
    declared = op(
        f"{name}(sorted_inputs: T, values: T; T: type, out_type: type in {{int32, int64}} = int32) -> "
        "(output: out_type)",
        shape=_bound_shape,
        allocates_output=True,
    )

    @declared.kernel
    def _(xp: Any, table: Any, values: Any, *, out_type: DType) -> Any:
        if table.ndim != 2 or values.ndim != 2 or len(table) != len(values):
            raise invalid(
                "sorted inputs and values must be matrices with as many rows, but are of shapes "
                f"{Shape(table.shape)} and {Shape(values.shape)}"
            )
        output = xp.zeros(values.shape, out_type.numpy)
        for row, (known, wanted) in enumerate(zip(table, values)):
            output[row] = _search(xp, known, wanted, side)
        if side == "left" and values.dtype.kind in "fcV":
            # Nothing compares less than NaN, so its lower bound is position 0.
            output[values != values] = 0
        return output

    return declared


def _search(xp: Any, known: Any, wanted: Any, side: str) -> Any:
    if known.dtype.kind == "V":
        return xp.searchsorted(ascending_keys(xp, known), ascending_keys(xp, wanted), side)
    return xp.searchsorted(known, wanted, side)


lower_bound = _declare_bound("LowerBound", "left")
upper_bound = _declare_bound("UpperBound", "right")

bucketize = op(
    "Bucketize(input: T; T: type in {int32, int64, float, double}, boundaries: list(float)) -> "
    "(output: int32)",
    shape=shapes.like_input,
    allocates_output=True,
)


@bucketize.bind
def _(b: Binding) -> Any:
    boundaries = np.array(b.attrs["boundaries"], np.float32)
    if (boundaries[1:] < boundaries[:-1]).any():
        raise invalid(f"boundaries must be in ascending order, but are {boundaries.tolist()}")
    # Integers are compared as floats, as in TensorFlow.
    wide = np.float64 if b.input_types[0].name == "double" else np.float32
    limits, xp = b.xp.asarray(boundaries.astype(wide)), b.xp

    def bound(x: Any) -> Any:
        return xp.searchsorted(limits, x.astype(wide), "right").astype(np.int32)

    return bound
