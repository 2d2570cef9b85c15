"""State files: everything a session needs to go on, or any tensors by name, in one HDF5 file that proves itself.

Any program that reads HDF5 finds a variable as the dataset of its own name (see ``paths``), with attributes that say
its dtype, shape and checksum. tfg itself reads by its commit record (see ``record``), which covers every byte.

A file is written under another name, read again and verified, flushed to the disk, and only then renamed: whatever
happens, the old state or the new one is there.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import dtypes
from ...errors import Location, Status, TfgError, invalid
from ...files import atomic_write, check_writable, file_error
from ..lazy_tensor import LazyTensor
from ..slices import check_disjoint, intersection, region_of, shape_of, slice_text
from . import chunks
from .encodings import Encoding, encoding_of
from .paths import VALUE, VARIABLE, Origin
from .state_reader import StateReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ...dtypes import DType
    from ...tensors import Array
    from ..entries import StoredTensor
    from ..slices import Region
    from .state_writer import Item

# How long a lock is waited for, from try to try, in seconds.
_WAITS = (0, 0.01, 0.05, 0.2)

# (container, kind, name) of a resource.
Key = tuple[str, str, str]


@dataclass(frozen=True)
class SavedState:
    """The state of a session: the arrays of every resource, and notes of the run (step number, position in the
    feeds)."""

    resources: Mapping[Key, Mapping[str, Array]] = field(default_factory=dict[Key, "Mapping[str, Array]"])
    notes: Mapping[str, Any] = field(default_factory=dict[str, Any])


def write(path: Path, state: SavedState, *, compress: bool = False, as_dtype: str | None = None) -> None:
    """Replaces the file at ``path`` by this state, or leaves it as it was and raises.

    ``as_dtype``, ``"bfloat16"`` or ``"half"``, keeps the variables of 32 and 64 bit floats in 16 bits, rounded to the
    nearest, ties to even; they come back in their own dtype. A ``LazyTensor`` may stand for an array.

    Raises:
        TfgError: NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED (a full disk) or FAILED_PRECONDITION where it cannot
            be written; UNAVAILABLE where another process has locked the file; DATA_LOSS where what was written does
            not read back; INVALID_ARGUMENT for a number too large for ``as_dtype``.
    """
    kept = _kept(as_dtype)
    items = [
        _item(
            Origin(*key, name),
            array if isinstance(array, LazyTensor) else np.asarray(array),
            kept if (key[1], name) == (VARIABLE, VALUE) else None,
        )
        for key, arrays in state.resources.items()
        for name, array in arrays.items()
    ]
    _replace(path, items, sorted(state.resources), state.notes, compress=compress)


def write_tensors(
    path: Path, tensors: Iterable[StoredTensor], *, compress: bool = False, as_dtype: str | None = None
) -> None:
    """Replaces the file at ``path`` by these tensors, as variables of the default container.

    Slices that cover a tensor are written as one dataset. Raises as ``write``.
    """
    named: dict[str, list[StoredTensor]] = {}
    for tensor in tensors:
        named.setdefault(tensor.name, []).append(tensor)
    kept = _kept(as_dtype)
    items = [item for same in named.values() for item in _tensor_items(same, kept)]
    _replace(path, items, sorted(("", VARIABLE, name) for name in named), {}, compress=compress)


def read(path: Path) -> SavedState:
    """The state in a file.

    Raises:
        TfgError: NOT_FOUND where there is no file; DATA_LOSS, naming the dataset, where it does not verify;
            INVALID_ARGUMENT where it is no state file, one of another format, or one that has only parts of a
            variable.
    """
    with StateReader(path) as reader:
        resources: dict[Key, dict[str, Array]] = {key: {} for key in reader.record.resources}
        for dataset in reader.datasets:
            container, kind, name, field, _ = dataset.origin
            if dataset.part is not None:
                raise invalid(f"{str(path)!r} holds only parts of {name!r}")
            resources.setdefault((container, kind, name), {})[field] = reader.array(dataset)
        return SavedState(resources, reader.notes)


def open_state(path: Path | str) -> StateReader:
    """A state file to read single tensors from; see ``StateReader`` for the errors."""
    return StateReader(path)


def verify(path: Path | str) -> list[TfgError]:
    """Returns the faults of a file: one error for the whole file, or one for each damaged dataset."""
    try:
        with StateReader(path) as reader:
            return list(reader.faults())
    except TfgError as error:
        return [error]


def check_replaceable(path: Path) -> None:
    """Raises, before anything runs, what ``write`` would raise for a file that must stay as it is."""
    try:
        check_writable(Path(os.path.realpath(path)))
        if not os.access(path.absolute().parent, os.W_OK):
            raise PermissionError
    except OSError as error:
        raise file_error(error, "written", str(path)) from error
    _check_unlocked(path)


def _check_unlocked(path: Path) -> None:
    """Raises UNAVAILABLE for a file that another program has locked: HDF5 locks the files that it writes.

    A writer of tfg holds the lock only briefly after it has replaced the file.
    """
    import fcntl

    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return  # There is nothing to lock, or nothing that may be read; writing says what is wrong, if it is.
    try:
        for wait in _WAITS:
            time.sleep(wait)
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return
        raise TfgError(
            Status.UNAVAILABLE,
            f"{str(path)!r} cannot be written: another program has locked it",
            location=Location(str(path)),
        )
    finally:
        os.close(file)


def _replace(
    path: Path, items: Sequence[Item], resources: Sequence[Key], notes: Mapping[str, Any], *, compress: bool
) -> None:
    # Most runs never write a state.
    from .state_writer import write_new

    _check_unlocked(path)
    try:
        with atomic_write(path) as temporary:
            write_new(temporary, items, resources, notes, compress=compress, called=path)
    except MemoryError as error:
        raise file_error(error, "written", str(path)) from error


def _kept(as_dtype: str | None) -> DType | None:
    if as_dtype is None:
        return None
    found = dtypes.parse(as_dtype)
    if found not in (dtypes.bfloat16, dtypes.float16):
        raise invalid(f"tensors can be kept as bfloat16 or half, not as {as_dtype}")
    return found


def _item(origin: Origin, array: Array, kept: DType | None, dtype: DType | None = None) -> Item:
    from .state_writer import Item

    try:
        form = encoding_of(array, kept, dtype)
    except TfgError as error:
        raise invalid(f"{origin.name!r}: {error.message}") from error
    return Item(origin, form, _of(array))


def _of(array: Array) -> Callable[[Region], Array]:
    return lambda region: array[(*region, ...)]


def _tensor_items(same: list[StoredTensor], kept: DType | None) -> list[Item]:
    """The datasets for the tensors of one name: one where they are or make up a whole."""
    first = same[0]
    origin = Origin("", VARIABLE, first.name)
    if first.part is None and len(same) == 1:
        return [_item(origin, first.array, kept, first.dtype)]
    try:
        regions = _regions(same)
    except TfgError as error:
        raise TfgError(Status(error.status), f"tensor {first.name!r}: {error.message}") from error
    shape = first.shape or ()
    if sum(prod(shape_of(region)) for region in regions) == prod(shape):
        return [_joined(origin, same, regions, kept)]
    return [
        _item(origin._replace(part=slice_text(tensor.part)), tensor.array, kept, tensor.dtype)._replace(
            part=tensor.part, whole=shape
        )
        for tensor in same
        if tensor.part is not None
    ]


def _dtype(tensor: StoredTensor) -> DType:
    return tensor.dtype or dtypes.of_numpy(tensor.array.dtype)


def _regions(same: list[StoredTensor]) -> list[Region]:
    """Returns the regions of a tensor's parts. Raises INVALID_ARGUMENT if they do not match, INTERNAL if they
    overlap."""
    shape, dtype = same[0].shape, _dtype(same[0])
    regions: list[Region] = []
    for tensor in same:
        if (
            tensor.part is None
            or tensor.shape is None
            or tensor.shape != shape
            or _dtype(tensor) is not dtype
        ):
            raise invalid("its parts are not of one dtype and shape")
        region = region_of(tensor.part, tensor.shape)
        if shape_of(region) != tensor.array.shape:
            raise invalid(f"the part {slice_text(tensor.part)} has shape {list(tensor.array.shape)}")
        regions.append(region)
    check_disjoint(regions)
    return regions


def _joined(origin: Origin, same: list[StoredTensor], regions: list[Region], kept: DType | None) -> Item:
    """A whole that is put together box by box, as it is written."""
    from .state_writer import Item

    shape, dtype = same[0].shape or (), _dtype(same[0])

    def values(wanted: Region) -> Array:
        made = np.empty(shape_of(wanted), dtype.numpy)
        for tensor, region in zip(same, regions):
            shared = intersection(region, wanted)
            if shared is not None:
                made[chunks.within(shared, wanted)] = tensor.array[chunks.within(shared, region)]
        return made

    if dtype is dtypes.string:
        whole = values(region_of(None, shape))
        return Item(origin, encoding_of(whole), _of(whole))
    halved = kept if kept is not None and dtype in (dtypes.float32, dtypes.float64) else dtype
    return Item(origin, Encoding(dtype, shape, halved), values)
