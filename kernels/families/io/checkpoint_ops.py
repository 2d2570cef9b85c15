"""Save and Restore in all versions, ShardedFilename, MergeV2Checkpoints: the operations of a Saver's graph
(save_restore_v2_ops.cc in TensorFlow).

A file name that ends in ``.h5`` is an HDF5 checkpoint, any other the prefix of a TensorFlow bundle. Relative
names are relative to the working directory.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.names import counted
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core import shapes
from ...core.registry import Family
from ...core.traits import Effects, GpuSupport, Role, StateAccess
from ...numeric.string_tensors import decode, encode, string_array
from .shape_and_slice import parse_saved_slice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.checkpoints.entries import StoredTensor
    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


# Inputs.


def _file_name(value: Any, what: str) -> str:
    """Returns the only string of a tensor. Raises INVALID_ARGUMENT unless it is one valid file name."""
    array = string_array(value)
    if array.size != 1:
        raise invalid(f"Input {what} should have a single element, got {array.size} instead.")
    name = os.fsdecode(array.reshape(-1)[0])
    if not name or "\0" in name:
        raise invalid(f"{name!r} is no name for a file")
    return name


def _names(value: Any, what: str, count: int) -> list[str]:
    """Returns the strings of a vector. Raises INVALID_ARGUMENT unless it has this length."""
    array = string_array(value)
    if array.ndim != 1:
        raise invalid(f"Input {what} should be a 1-D tensor, got {Shape(array.shape)} instead.")
    if array.size != count:
        raise invalid(f"Got {counted(array.size, 'element')} in {what}, but {count} expected.")
    return [decode(item) for item in array.tolist()]


# Writing.


def _save(path: str, names: Any, specs: Any, values: Sequence[Any], types: Sequence[DType]) -> list[Any]:
    """Writes tensors, or with ``specs`` slices of tensors, to a checkpoint. All versions of Save call it."""
    known = _names(names, "tensor_names", len(values))
    parts = [""] * len(values) if specs is None else _names(specs, "shape_and_slices", len(values))
    _write(path, _tensors(known, parts, values, types))
    return []


def _write(path: str, tensors: Sequence[StoredTensor]) -> None:
    from ....graphfmt.checkpoints.open import write_checkpoint

    whole = Counter(tensor.name for tensor in tensors if tensor.part is None)
    for tensor in tensors:
        if whole[tensor.name] > 1 or (tensor.part is not None and whole[tensor.name]):
            raise invalid(f"Adding duplicate key: {tensor.name}")
    _make_folder(path)
    write_checkpoint(path, tensors)


def _make_folder(path: str) -> None:
    """Creates the folder of a file, but not its parents: shards are written into a folder of their own. Errors are
    ignored here; writing the file reports them."""
    try:
        Path(path).parent.mkdir(exist_ok=True)
    except OSError:
        return


def _tensors(
    names: Sequence[str], specs: Sequence[str], values: Sequence[Any], types: Sequence[DType]
) -> list[StoredTensor]:
    from ....graphfmt.checkpoints.entries import StoredTensor

    found: list[StoredTensor] = []
    for name, spec, value, dtype in zip(names, specs, values, types):
        array, part = np.asarray(value), parse_saved_slice(spec)
        if part is not None and part.slice_shape != array.shape:
            raise invalid(
                f"Slice in shape_and_slice specification does not match the shape of the tensor to save: "
                f"{spec}, tensor {name!r}: {Shape(array.shape)}"
            )
        if part is None:
            found.append(StoredTensor(name, array, dtype=dtype))
        else:
            found.append(StoredTensor(name, array, part.slice, part.shape, dtype))
    return found


save = op(
    "Save(filename: string, tensor_names: string, data: *T; T: list(type) >= 1)",
    shape=shapes.no_outputs,
    stateful=True,
    state=StateAccess.READS,
    role=Role.SAVER,
    effects=Effects(writes_files=("filename",)),
)


@save.kernel
def _(xp: Any, filename: Any, tensor_names: Any, data: Any, *, input_types: Sequence[DType]) -> list[Any]:
    return _save(_file_name(filename, "filename"), tensor_names, None, data, input_types[2:])


save_slices = op(
    "SaveSlices(filename: string, tensor_names: string, shapes_and_slices: string, data: *T; "
    "T: list(type) >= 1)",
    shape=shapes.no_outputs,
    stateful=True,
    state=StateAccess.READS,
    role=Role.SAVER,
    effects=Effects(writes_files=("filename",)),
)


@save_slices.kernel
def _(
    xp: Any,
    filename: Any,
    tensor_names: Any,
    shapes_and_slices: Any,
    data: Any,
    *,
    input_types: Sequence[DType],
) -> list[Any]:
    return _save(_file_name(filename, "filename"), tensor_names, shapes_and_slices, data, input_types[3:])


save_v2 = op(
    "SaveV2(prefix: string, tensor_names: string, shape_and_slices: string, tensors: *dtypes; "
    "dtypes: list(type) >= 1)",
    shape=shapes.no_outputs,
    stateful=True,
    state=StateAccess.READS,
    role=Role.SAVER,
    effects=Effects(writes_files=("prefix",)),
)


@save_v2.kernel
def _(
    xp: Any,
    prefix: Any,
    tensor_names: Any,
    shape_and_slices: Any,
    tensors: Any,
    *,
    input_types: Sequence[DType],
) -> list[Any]:
    return _save(_file_name(prefix, "prefix"), tensor_names, shape_and_slices, tensors, input_types[3:])


# Reading.


def _restored_shapes(c: ShapeContext) -> list[Shape]:
    """The shapes of the requested slices; that of a whole tensor is known only from the file."""
    count = len(c.bound.output_types)
    specs = c.constant("shape_and_slices")
    if specs is None or specs.shape != (count,):
        return [UNKNOWN] * count
    parts = [parse_saved_slice(decode(spec)) for spec in specs.tolist()]
    return [UNKNOWN if part is None else Shape(part.slice_shape) for part in parts]


restore_v2 = op(
    "RestoreV2(prefix: string, tensor_names: string, shape_and_slices: string; dtypes: list(type) >= 1) "
    "-> (tensors: *dtypes)",
    shape=_restored_shapes,
    stateful=True,
    state=StateAccess.NONE,
    role=Role.RESTORER,
    effects=Effects(reads_files=("prefix",)),
)


@restore_v2.kernel
def _(
    xp: Any, prefix: Any, tensor_names: Any, shape_and_slices: Any, *, output_types: Sequence[DType]
) -> list[Any]:
    from .restoring import read_tensors

    path = _file_name(prefix, "prefix")
    names = _names(tensor_names, "tensor_names", len(output_types))
    specs = _names(shape_and_slices, "shape_and_slices", len(output_types))
    return read_tensors(path, names, [parse_saved_slice(spec) for spec in specs], output_types)


restore = op(
    "Restore(file_pattern: string, tensor_name: string; dt: type, preferred_shard: int = -1) -> (tensor: dt)",
    shape=shapes.unknown,
    stateful=True,
    state=StateAccess.NONE,
    role=Role.RESTORER,
    effects=Effects(reads_files=("file_pattern",)),
)


@restore.kernel
def _(xp: Any, file_pattern: Any, tensor_name: Any, *, dt: DType) -> Any:
    from .restoring import read_matching

    return read_matching(_file_name(file_pattern, "file_pattern"), _first(tensor_name), None, dt)


def _restored_slice_shape(c: ShapeContext) -> Shape:
    spec = c.constant("shape_and_slice")
    part = parse_saved_slice(decode(spec.reshape(-1)[0])) if spec is not None and spec.size else None
    return UNKNOWN if part is None else Shape(part.slice_shape)


restore_slice = op(
    "RestoreSlice(file_pattern: string, tensor_name: string, shape_and_slice: string; dt: type, "
    "preferred_shard: int = -1) -> (tensor: dt)",
    shape=_restored_slice_shape,
    stateful=True,
    state=StateAccess.NONE,
    role=Role.RESTORER,
    effects=Effects(reads_files=("file_pattern",)),
)


@restore_slice.kernel
def _(xp: Any, file_pattern: Any, tensor_name: Any, shape_and_slice: Any, *, dt: DType) -> Any:
    from .restoring import read_matching

    pattern = _file_name(file_pattern, "file_pattern")
    return read_matching(pattern, _first(tensor_name), parse_saved_slice(_first(shape_and_slice)), dt)


def _first(value: Any) -> str:
    """Returns the first of a tensor's strings, which is the one that TensorFlow uses. Raises
    INVALID_ARGUMENT if it has none."""
    array = string_array(value)
    if not array.size:
        raise invalid("the name of a tensor to restore is missing")
    return decode(array.reshape(-1)[0])


# Shards.


def _scalar_inputs(c: ShapeContext) -> Shape:
    for position in range(len(c.facts)):
        c.with_rank(position, 0)
    return Shape(())


sharded_filename = op(
    "ShardedFilename(basename: string, shard: int32, num_shards: int32) -> (filename: string)",
    shape=_scalar_inputs,
    allocates_output=True,
)


@sharded_filename.kernel
def _(xp: Any, basename: Any, shard: Any, num_shards: Any) -> Any:
    _check_scalars(basename=basename, shard=shard, num_shards=num_shards)
    return _scalar(f"{_first(basename)}-{int(shard):05d}-of-{int(num_shards):05d}")


sharded_filespec = op(
    "ShardedFilespec(basename: string, num_shards: int32) -> (filename: string)",
    shape=_scalar_inputs,
    allocates_output=True,
)


@sharded_filespec.kernel
def _(xp: Any, basename: Any, num_shards: Any) -> Any:
    _check_scalars(basename=basename, num_shards=num_shards)
    return _scalar(f"{_first(basename)}-?????-of-{int(num_shards):05d}")


def _check_scalars(**values: Any) -> None:
    for name, value in values.items():
        if np.ndim(value):
            raise invalid(f"{name} must be a scalar, got shape {Shape(np.shape(value))}")


def _scalar(text: str) -> Any:
    found = np.empty((), object)
    found[()] = encode(text)
    return found


def _merge_shapes(c: ShapeContext) -> Sequence[Shape]:
    c.with_rank("checkpoint_prefixes", 1)
    c.with_rank("destination_prefix", 0)
    return []


merge_v2_checkpoints = op(
    "MergeV2Checkpoints(checkpoint_prefixes: string, destination_prefix: string; "
    "delete_old_dirs: bool = true, allow_missing_files: bool = false)",
    shape=_merge_shapes,
    stateful=True,
    state=StateAccess.NONE,
    role=Role.CHECKPOINT_MERGER,
    effects=Effects(
        reads_files=("checkpoint_prefixes",), writes_files=("checkpoint_prefixes", "destination_prefix")
    ),
)


@merge_v2_checkpoints.kernel
def _(
    xp: Any,
    checkpoint_prefixes: Any,
    destination_prefix: Any,
    *,
    delete_old_dirs: bool,
    allow_missing_files: bool,
) -> list[Any]:
    from .merging import merge

    prefixes = string_array(checkpoint_prefixes)
    if prefixes.ndim != 1:
        raise invalid(
            f"Input checkpoint_prefixes should be an 1-D tensor, got {Shape(prefixes.shape)} instead."
        )
    paths = [_file_name(item, "checkpoint_prefixes") for item in prefixes.tolist()]
    destination = _file_name(destination_prefix, "destination_prefix")
    _make_folder(destination)
    merge(paths, destination, delete_old_dirs=delete_old_dirs, allow_missing_files=allow_missing_files)
    return []
