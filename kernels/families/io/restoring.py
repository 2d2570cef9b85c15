"""Reads tensors from checkpoints for Restore and RestoreV2, and checks their dtypes and shapes."""

from __future__ import annotations

import glob
import math
import re
from contextlib import ExitStack
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.checkpoints.entries import Slice
from ....graphfmt.checkpoints.open import open_checkpoint
from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.names import did_you_mean
from ....graphfmt.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.checkpoints.entries import CheckpointReader, TensorEntry
    from ....graphfmt.dtypes import DType
    from ....graphfmt.tensors import Array
    from .shape_and_slice import SavedSlice

# The maximum number of missing names in a message.
_SHOWN = 10
# The data files of a bundle.
_SHARD = re.compile(r"\.data-[0-9]+-of-[0-9]+$")


def read_tensors(
    path: str, names: Sequence[str], parts: Sequence[SavedSlice | None], wanted: Sequence[DType]
) -> list[Array]:
    """Reads tensors of a checkpoint, or slices of them.

    Raises:
        TfgError: NOT_FOUND if the file or a tensor does not exist, with all missing names; INVALID_ARGUMENT
            with all tensors of another dtype, and for a shape that differs from a slice's; errors of the
            reader.
    """
    with open_checkpoint(path) as reader:
        entries = reader.entries
        missing = list(dict.fromkeys(name for name in names if name not in entries))
        if missing:
            raise _missing(missing, reader)
        _check_types(path, names, wanted, [entries[name] for name in names])
        for name, part in zip(names, parts):
            _check_part(name, entries[name], part)
        return [_read(reader, name, part, dtype) for name, part, dtype in zip(names, parts, wanted)]


def _read(reader: CheckpointReader, name: str, part: SavedSlice | None, dtype: DType) -> Array:
    found = reader.read(name, None if part is None or part.is_whole else part.slice)
    return found if found.dtype == dtype.numpy else found.view(dtype.numpy)


def _missing(names: Sequence[str], reader: CheckpointReader) -> TfgError:
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    key = "Key" if len(names) == 1 else "Keys"
    return TfgError(
        Status.NOT_FOUND,
        f"{key} {shown} not found in checkpoint {reader.path!r}",
        hint=did_you_mean(names[0], reader.entries),
    )


def _check_types(
    path: str, names: Sequence[str], wanted: Sequence[DType], entries: Sequence[TensorEntry]
) -> None:
    faults = [
        f"tensor_name = {name}; expected dtype {dtype} does not equal original dtype {entry.dtype}"
        for name, dtype, entry in zip(names, wanted, entries)
        if not _is_alike(dtype, entry.dtype)
    ]
    if faults:
        raise invalid("; ".join(faults) + f" (checkpoint {path!r})")


def _is_alike(a: DType, b: DType) -> bool:
    """True if the dtypes are equal, or differ only in that one is quantized: quantized tensors are stored as
    integers."""
    return a is b or ((a.is_quantized or b.is_quantized) and a.numpy == b.numpy)


def _check_part(name: str, entry: TensorEntry, part: SavedSlice | None) -> None:
    if part is not None and part.shape != entry.shape:
        raise invalid(
            f"tensor_name = {name}; shape in shape_and_slice spec {Shape(part.shape)} does not match the "
            f"shape stored in checkpoint: {Shape(entry.shape)}"
        )


def read_matching(pattern: str, name: str, part: SavedSlice | None, dtype: DType) -> Array:
    """Reads a tensor, or a slice of it, from the files that match a pattern with ``*`` and ``?``: from one of
    them, or assembled from slices in several.

    Raises as ``read_tensors``, and INVALID_ARGUMENT if the slices do not cover the tensor.
    """
    with ExitStack() as stack:
        readers = [stack.enter_context(open_checkpoint(path)) for path in _matching(pattern)]
        holders = [reader for reader in readers if name in reader.entries]
        if not holders:
            raise TfgError(
                Status.NOT_FOUND,
                f'Tensor name "{name}" not found in checkpoint files {pattern}',
                hint=did_you_mean(name, [key for reader in readers for key in reader.entries]),
            )
        entry = holders[0].entries[name]
        if not _is_alike(dtype, entry.dtype):
            raise invalid(
                f"Expected to restore a tensor of type {dtype}, got a tensor of type {entry.dtype} instead: "
                f"tensor_name = {name}"
            )
        _check_part(name, entry, part)
        if len(holders) == 1:
            return _read(holders[0], name, part, dtype)
        return _assembled(holders, name, entry, part)


def _matching(pattern: str) -> list[str]:
    """Returns the checkpoints that match a pattern; a name without ``*`` and ``?`` alone."""
    path = Path(pattern)
    if not glob.has_magic(path.name) or not path.parent.is_dir():
        return [pattern]
    matching = (f.name for f in path.parent.iterdir() if f.is_file())
    names = {
        name.removesuffix(".index")
        for name in matching
        if fnmatchcase(name.removesuffix(".index"), path.name) and not _SHARD.search(name)
    }
    files = [str(path.parent / name) for name in names]
    if not files:
        raise TfgError(Status.NOT_FOUND, f"Failed to find any matching files for {pattern}")
    return sorted(files)


def _assembled(
    holders: Sequence[CheckpointReader], name: str, entry: TensorEntry, part: SavedSlice | None
) -> Array:
    """Assembles a tensor, or a slice of it, from the slices in several files."""
    begin = part.slice.starts if part is not None else (0,) * len(entry.shape)
    shape = part.slice_shape if part is not None else entry.shape
    found = np.empty(shape, entry.dtype.numpy)
    filled = np.zeros(shape, bool)
    for reader in holders:
        held = reader.entries[name]
        if held.shape != entry.shape or held.dtype is not entry.dtype:
            raise invalid(f"{reader.path!r} has another shape or dtype for tensor {name!r} than other files")
        for piece in held.slices or (_whole(held),):
            _copy(reader, name, _bounds(piece, entry.shape), begin, found, filled)
    if not filled.all():
        raise invalid(f"Does not have sufficient slices for partitioned tensor {name} to restore")
    return found


def _whole(entry: TensorEntry) -> Slice:
    return Slice((0,) * len(entry.shape), (-1,) * len(entry.shape))


def _bounds(piece: Slice, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Returns the begin and end of a slice per dimension."""
    return [
        (start, size if length < 0 else start + length)
        for start, length, size in zip(piece.starts, piece.lengths, shape)
    ]


def _copy(
    reader: CheckpointReader,
    name: str,
    bounds: Sequence[tuple[int, int]],
    begin: tuple[int, ...],
    found: Array,
    filled: Any,
) -> None:
    """Copies the intersection of a stored slice with the requested slice, which begins at ``begin``."""
    ends = [start + size for start, size in zip(begin, found.shape)]
    common = [(max(a, start), min(b, end)) for (a, b), start, end in zip(bounds, begin, ends)]
    if any(a >= b for a, b in common):
        return
    lengths = tuple(b - a for a, b in common)
    if not math.prod(lengths):
        return
    place = tuple(slice(a - start, b - start) for (a, b), start in zip(common, begin))
    found[place] = reader.read(name, Slice(tuple(a for a, _ in common), lengths))
    filled[place] = True
