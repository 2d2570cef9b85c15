"""State files: the complete state of a session, or tensors by name, in one HDF5 file with checksums.

Other programs find a variable as the dataset of its own name (see ``paths``), with attributes for dtype, shape and
checksum. tfg itself reads by the commit record (see ``commit_record``), which covers every byte.

A file is written under another name, read again and verified, flushed to the disk, and only then renamed, so that
at every moment the complete old state or the complete new one is there.
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

# The seconds to wait before each attempt to lock.
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
    """Replaces the file at ``path`` by this state; leaves it unchanged on an error.

    ``as_dtype``, ``"bfloat16"`` or ``"half"``, stores variables of float32 and float64 in 16 bits, rounded to the
    nearest, ties to even; reading returns their own dtype. Arrays may be ``LazyTensor`` objects.

    Raises:
        TfgError: NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED (a full disk) or FAILED_PRECONDITION if it cannot
            be written; UNAVAILABLE if another process has locked the file; DATA_LOSS if reading the new file does
            not verify; INVALID_ARGUMENT for a number too large for ``as_dtype``.
    """
    kept = _dtype_to_store(as_dtype)
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
    kept = _dtype_to_store(as_dtype)
    items = [item for same in named.values() for item in _tensor_items(same, kept)]
    _replace(path, items, sorted(("", VARIABLE, name) for name in named), {}, compress=compress)


def read(path: Path) -> SavedState:
    """Reads the state in a file.

    Raises:
        TfgError: NOT_FOUND if there is no file; DATA_LOSS, naming the dataset, if it does not verify;
            INVALID_ARGUMENT if it is not a state file, is one of another format version, or has only slices of
            a variable.
    """
    with StateReader(path) as reader:
        resources: dict[Key, dict[str, Array]] = {key: {} for key in reader.record.resources}
        for dataset in reader.datasets:
            container, kind, name, field, _ = dataset.origin
            if dataset.part is not None:
                raise invalid(f"{str(path)!r} holds only slices of {name!r}")
            resources.setdefault((container, kind, name), {})[field] = reader.array(dataset)
        return SavedState(resources, reader.notes)


def open_state(path: Path | str) -> StateReader:
    """Opens a state file, to read single tensors. Raises as ``StateReader``."""
    return StateReader(path)


def verify(path: Path | str) -> list[TfgError]:
    """Returns the faults of a file: one error for the whole file, or one for each damaged dataset."""
    try:
        with StateReader(path) as reader:
            return list(reader.faults())
    except TfgError as error:
        return [error]


def check_replaceable(path: Path) -> None:
    """Raises the error of ``write`` for a file that cannot be replaced; for checks before a long run."""
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
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return  # A missing file has no lock; for an unreadable one, writing raises the error.
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
    # Imported here, because most runs write no state.
    from .state_writer import write_new

    _check_unlocked(path)
    try:
        with atomic_write(path) as temporary:
            write_new(temporary, items, resources, notes, compress=compress, called=path)
    except MemoryError as error:
        raise file_error(error, "written", str(path)) from error


def _dtype_to_store(as_dtype: str | None) -> DType | None:
    if as_dtype is None:
        return None
    dtype = dtypes.parse(as_dtype)
    if dtype not in (dtypes.bfloat16, dtypes.float16):
        raise invalid(f"tensors can be stored as bfloat16 or half, not as {as_dtype}")
    return dtype


def _item(origin: Origin, array: Array, kept: DType | None, dtype: DType | None = None) -> Item:
    from .state_writer import Item

    try:
        encoding = encoding_of(array, kept, dtype)
    except TfgError as error:
        raise invalid(f"{origin.name!r}: {error.message}") from error
    return Item(origin, encoding, _reader_of(array))


def _reader_of(array: Array) -> Callable[[Region], Array]:
    return lambda region: array[(*region, ...)]


def _tensor_items(same: list[StoredTensor], kept: DType | None) -> list[Item]:
    """Returns the datasets for the tensors of one name: a single one if they cover the whole tensor."""
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
            raise invalid("its slices differ in dtype or shape")
        region = region_of(tensor.part, tensor.shape)
        if shape_of(region) != tensor.array.shape:
            raise invalid(f"the slice {slice_text(tensor.part)} has shape {list(tensor.array.shape)}")
        regions.append(region)
    check_disjoint(regions)
    return regions


def _joined(origin: Origin, same: list[StoredTensor], regions: list[Region], kept: DType | None) -> Item:
    """Returns one dataset for slices that cover a tensor; its values are assembled box by box while it is written."""
    from .state_writer import Item

    shape, dtype = same[0].shape or (), _dtype(same[0])

    def values(wanted: Region) -> Array:
        box = np.empty(shape_of(wanted), dtype.numpy)
        for tensor, region in zip(same, regions):
            shared = intersection(region, wanted)
            if shared is not None:
                box[chunks.within(shared, wanted)] = tensor.array[chunks.within(shared, region)]
        return box

    if dtype is dtypes.string:
        whole = values(region_of(None, shape))
        return Item(origin, encoding_of(whole), _reader_of(whole))
    halved = kept if kept is not None and dtype in (dtypes.float32, dtypes.float64) else dtype
    return Item(origin, Encoding(dtype, shape, halved), values)
