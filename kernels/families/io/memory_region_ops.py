"""ImmutableConst: a tensor in a file, mapped into memory (immutable_constant_op.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import Status, TfgError
from ....graphfmt.files import file_error
from ...core.inference import attr_shape
from ...core.registry import Family
from ...core.traits import Effects, GpuSupport

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ....graphfmt.shapes import Shape

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

immutable = op(
    "ImmutableConst(; dtype: type, shape: shape, memory_region_name: string) -> (tensor: dtype)",
    shape=lambda c: attr_shape(c.attr("shape")),
    effects=Effects(reads_files=("memory_region_name",)),
)


@immutable.kernel
def _(xp: Any, *, dtype: DType, shape: Shape, memory_region_name: str) -> Any:
    if dtype.is_opaque or dtype is dtypes.string:
        raise TfgError(
            Status.UNIMPLEMENTED, f"Sorry, {dtype} is not currently supported for ImmutableConstOp."
        )
    # TensorFlow takes an unknown shape for a scalar.
    dims = tuple(dim or 0 for dim in shape.dims or ())
    size = dtype.numpy.itemsize * int(np.prod(dims, dtype=object))
    try:
        region = np.memmap(memory_region_name, np.uint8, "r") if size else np.zeros(0, np.uint8)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError):
            raise file_error(error, "read", memory_region_name) from error
        region = np.zeros(0, np.uint8)
    if region.size < size:
        raise TfgError(
            Status.INTERNAL,
            f"Readonly memory region has wrong length ({region.size}) when allocating {size}: {memory_region_name}",
        )
    return np.asarray(region)[:size].view(dtype.numpy).reshape(dims)
