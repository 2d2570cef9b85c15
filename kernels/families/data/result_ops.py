"""Operations that pass over a whole dataset within a step: ReduceDataset, DatasetToSingleElement, DatasetToTFRecord,
InitializeTableFromDataset (dataset_ops.cc and its relatives in TensorFlow)."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.files import write_file
from ....graphfmt.records.record_file import framed
from ...core import shapes
from ...core.registry import Family
from ...core.traits import Effects, GpuSupport, StateAccess
from ..lookup.tables import LookupTable
from .datasets import Reading, to_dataset
from .iterator_ops import check_values, stated_shapes
from .signature_parts import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ....graphfmt.dtypes import DType
    from ....graphfmt.shapes import Shape
    from ...core.context import Callee
    from .datasets import Dataset, Element

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


def _elements(dataset: Dataset, ctx: Any) -> Iterator[Element]:
    elements = dataset.begin(Reading(ctx))
    while True:
        ctx.check_cancelled()
        element = elements.next()
        if element is None:
            return
        yield element


reduce = op(
    "ReduceDataset(input_dataset: variant, initial_state: *Tstate, other_arguments: *Targuments; f: func, "
    f"Tstate: list(type) >= 1, Targuments: list(type) >= 0, {OUTPUTS}, use_inter_op_parallelism: bool = true, "
    'metadata: string = "") -> (components: *output_types)',
    shape=stated_shapes,
    stateful=True,
    differentiable=False,
)


@reduce.kernel
def _(
    ctx: Any, xp: Any, input_dataset: Any, initial_state: Any, other_arguments: Any, *, f: Callee,
    output_types: Sequence[DType], output_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    state: Sequence[Any] = initial_state
    for element in _elements(to_dataset(input_dataset), ctx):
        state = f(ctx, *state, *element, *other_arguments)
    check_values(state, output_types, output_shapes)
    return list(state)


single = op(
    f'DatasetToSingleElement(dataset: variant; {OUTPUTS}, metadata: string = "") -> (components: *output_types)',
    shape=stated_shapes,
    stateful=True,
)


@single.kernel
def _(
    ctx: Any, xp: Any, dataset: Any, *, output_types: Sequence[DType], output_shapes: Sequence[Shape]
) -> Any:
    elements = _elements(to_dataset(dataset), ctx)
    found = next(elements, None)
    if found is None:
        raise invalid("Dataset was empty.")
    if next(elements, None) is not None:
        raise invalid("Dataset had more than one element.")
    check_values(found, output_types, output_shapes)
    return list(found)


table = op(
    "InitializeTableFromDataset(table_handle: resource, dataset: variant)",
    shape=shapes.no_outputs,
    stateful=True,
    state=StateAccess.CHANGES,
)


@table.kernel
def _(ctx: Any, xp: Any, table_handle: Any, dataset: Any) -> Any:
    if not isinstance(table_handle, LookupTable):
        raise invalid(f"the handle must be of a table, but is of a {type(table_handle).__name__}")
    source = to_dataset(dataset)
    if len(source.types) != 2:
        raise invalid(f"the dataset must have a key and a value, but has {len(source.types)} components")
    pairs = list(_elements(source, ctx))
    keys = np.array([key for key, _ in pairs], source.types[0].numpy)
    values = np.array([value for _, value in pairs], source.types[1].numpy)
    table_handle.initialize(keys, values)
    return []


records = op(
    "DatasetToTFRecord(input_dataset: variant, filename: string, compression_type: string)",
    shape=shapes.no_outputs,
    stateful=True,
    effects=Effects(writes_files=("filename",)),
)


@records.kernel
def _(ctx: Any, xp: Any, input_dataset: Any, filename: Any, compression_type: Any) -> Any:
    source = to_dataset(input_dataset)
    if source.types != (dtypes.string,):
        raise invalid("DatasetToTFRecord needs a dataset of strings")
    compression = _text(compression_type, "compression_type").decode()
    if compression not in _COMPRESS:
        raise invalid(f"Unsupported compression_type: {compression}")
    data = b"".join(framed(_text(element[0], "a record")) for element in _elements(source, ctx))
    write_file(os.fsdecode(_text(filename, "filename")), _COMPRESS[compression](data))
    return []


_COMPRESS: dict[str, Callable[[bytes], bytes]] = {"": bytes, "ZLIB": zlib.compress, "GZIP": gzip.compress}


def _text(value: Any, what: str) -> bytes:
    if np.ndim(value):
        raise invalid(f"{what} must be a scalar, but has shape {list(np.shape(value))}")
    found: Any = value[()] if isinstance(value, np.ndarray) else value
    return found
