"""UnravelIndex: places in a flat array as places in one of several dimensions (unravel_index_op.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core.registry import Family

if TYPE_CHECKING:
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="dims")
op = family.op


def _shape(c: ShapeContext) -> Shape:
    indices, dims = c.input("indices"), c.with_rank("dims", 1)
    if indices.rank is None:
        return UNKNOWN
    if indices.rank == 0:
        return dims
    return Shape((dims[0], indices.size))


unravel = op(
    "UnravelIndex(indices: Tidx, dims: Tidx; Tidx: type in {int32, int64} = int32) -> (output: Tidx)",
    shape=_shape,
    allocates_output=True,
)


@unravel.kernel
def _(xp: Any, indices: Any, dims: Any) -> Any:
    if dims.ndim != 1:
        raise invalid(f"The dims should be 1-D, but have shape {list(dims.shape)}")
    if indices.ndim > 1:
        raise invalid(f"The indices can only be scalar or 1-D, but have shape {list(indices.shape)}")
    sizes = [int(size) for size in dims]
    if 0 in sizes:
        raise invalid("dims cannot contain a dim of zero")
    if not indices.size:
        raise invalid("received empty tensor indices")
    total = int(np.prod(sizes, dtype=object)) if sizes else 1
    if int(indices.max()) >= total:
        raise invalid(f"index is out of bound as with dims {sizes}")
    rest, places = indices, []
    for size in reversed(sizes):
        # Division truncates, as in C: that is what becomes of negative indices.
        places.append(xp.fmod(rest, size))
        rest = (rest - places[-1]) // size
    if not places:
        return xp.zeros((0, *indices.shape), indices.dtype)
    return xp.stack(places[::-1]).astype(indices.dtype, copy=False)
