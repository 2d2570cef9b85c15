"""TensorDataset, TensorSliceDataset, SparseTensorSliceDataset and RangeDataset (tensor_dataset_op.cc and its relatives
in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric import int_arguments
from .datasets import Counted, Element, Pass, new_variant
from .signature_parts import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


def _kept(value: Any) -> Any:
    """The value as a dataset keeps it: what others may write to is copied."""
    return np.array(value) if isinstance(value, np.ndarray) and value.flags.writeable else value


def _fixed_shapes(values: Sequence[Any], *, drop: int = 0) -> list[Shape]:
    return [Shape(tuple(np.shape(value))[drop:]) for value in values]


tensor = op(
    "TensorDataset(components: *Toutput_types; Toutput_types: list(type) >= 1, output_shapes: list(shape) >= 1, "
    'metadata: string = "") -> (handle: variant)',
    shape=shapes.scalar,
    stateful=True,
)


@tensor.kernel
def _(xp: Any, components: Sequence[Any], *, Toutput_types: Sequence[DType]) -> Any:
    values = tuple(map(_kept, components))
    return new_variant(Toutput_types, _fixed_shapes(values), lambda reading: Counted(1, lambda i: values), 1)


slices = op(
    "TensorSliceDataset(components: *Toutput_types; Toutput_types: list(type) >= 1, output_shapes: list(shape) >= 1, "
    'is_files: bool = false, metadata: string = "", replicate_on_split: bool = false) -> (handle: variant)',
    shape=shapes.scalar,
    stateful=True,
)


@slices.kernel
def _(xp: Any, components: Sequence[Any], *, Toutput_types: Sequence[DType]) -> Any:
    values = tuple(map(_kept, components))
    if any(not np.ndim(value) for value in values):
        raise invalid("All components must be at least 1-dimensional")
    count = len(values[0])
    if any(len(value) != count for value in values):
        raise invalid("All components must have the same size in the 0th dimension")

    def begin(reading: Any) -> Pass:
        return Counted(count, lambda i: tuple(value[i, ...] for value in values))

    return new_variant(Toutput_types, _fixed_shapes(values, drop=1), begin, count)


sparse_slices = op(
    "SparseTensorSliceDataset(indices: int64, values: Tvalues, dense_shape: int64; Tvalues: type) "
    "-> (handle: variant)",
    shape=shapes.scalar,
    stateful=True,
)


@sparse_slices.kernel
def _(xp: Any, indices: Any, values: Any, dense_shape: Any, *, Tvalues: DType) -> Any:
    if np.ndim(indices) != 2 or np.ndim(values) != 1 or np.ndim(dense_shape) != 1:
        raise invalid(
            "indices must be a matrix, values and dense_shape vectors, but have shapes "
            f"{[list(np.shape(x)) for x in (indices, values, dense_shape)]}"
        )
    rank = len(dense_shape)
    if len(indices) != len(values) or indices.shape[1] != rank or not rank:
        raise invalid(
            f"indices of shape {list(indices.shape)} do not fit {len(values)} values of rank {rank}"
        )
    batches = indices[:, 0]
    if np.any(np.diff(batches) < 0):
        raise invalid("the indices must be ordered by their batch")
    if len(batches) and (batches[0] < 0 or batches[-1] >= dense_shape[0]):
        raise invalid(f"the batch of an index is not in [0, {int(dense_shape[0])})")
    kept, rest, shape = _kept(values), np.array(indices[:, 1:]), np.array(dense_shape[1:])

    def element(i: int) -> Element:
        first, last = np.searchsorted(batches, [i, i + 1])
        return rest[first:last], kept[first:last], shape

    types = (dtypes.int64, Tvalues, dtypes.int64)
    stated = (Shape((None, rank - 1)), Shape((None,)), Shape((rank - 1,)))
    count = int(dense_shape[0])
    return new_variant(types, stated, lambda reading: Counted(count, element), count)


ranges = op(
    f"RangeDataset(start: int64, stop: int64, step: int64; {OUTPUTS}, "
    'metadata: string = "", replicate_on_split: bool = false) -> (handle: variant)',
    shape=shapes.scalar,
    stateful=True,
)


@ranges.kernel
def _(
    xp: Any,
    start: Any,
    stop: Any,
    step: Any,
    *,
    output_types: Sequence[DType],
    output_shapes: Sequence[Shape],
) -> Any:
    first, last, stride = (
        int_arguments.int_scalar(x, name) for x, name in ((start, "start"), (stop, "stop"), (step, "step"))
    )
    if stride == 0:
        raise invalid("step must be a non-zero integer.")
    numbers = range(first, last, stride)
    make = output_types[0].numpy.type
    count = len(numbers)
    return new_variant(
        output_types, output_shapes, lambda reading: Counted(count, lambda i: (make(numbers[i]),)), count
    )
