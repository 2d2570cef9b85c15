"""Writing arrays to files: .npy, .npz, HDF5 and JSON, block by block, so that an array may exceed the memory.

A file is replaced atomically. A pipe or a device is written once everything is ready.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.lib import format as npy_format

from .arrays import jsonable, plain_numbers
from .errors import Status, TfgError, invalid
from .files import STANDARD, atomic_write, file_error, standard_output

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator, Mapping

    from .tensors import Array

# Names of open files of this process, which must not be replaced.
_OPEN_FILES = re.compile(r"/dev/std(out|err)|/dev/fd/\d+|/proc/self/fd/\d+")
_ERRNO = re.compile(r"errno = (\d+)")


class BlockArray(Protocol):
    """An array that is written block by block. Its dtype is one of numpy's, without objects."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def blocks(self) -> Iterator[Array]:
        """Yields the rows in order, several at a time; an array of rank 0 is one block."""
        ...


class WholeArray:
    """An array in memory, as a single block."""

    def __init__(self, array: Array) -> None:
        self._array = storable(array)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._array.dtype

    def blocks(self) -> Iterator[Array]:
        yield self._array


def storable(array: Array) -> Array:
    """Converts strings to fixed-width bytes, which need no pickle, and types of ml_dtypes to numpy's."""
    return array.astype("S") if array.dtype == object else plain_numbers(array)


def save(path: Path, arrays: Mapping[str, Array | BlockArray]) -> None:
    """Writes arrays under their names to a ``.npz``, ``.h5`` or ``.json`` file, or one array to a ``.npy`` file.

    ``-`` is standard output. It and other pipes get the format of their suffix; without one, ``.npy`` for a single
    array and ``.npz`` for several.
    """
    sources = {
        name: WholeArray(array) if isinstance(array, (np.ndarray, np.generic)) else array
        for name, array in arrays.items()
    }
    write = _WRITERS[format_of(path, len(sources))]
    if not is_stream(path):
        with atomic_write(path) as temporary:
            write(temporary, sources)
        return
    import shutil
    from tempfile import NamedTemporaryFile

    try:
        with NamedTemporaryFile() as temporary, _opened_stream(path) as stream:
            write(Path(temporary.name), sources)
            with Path(temporary.name).open("rb") as written:
                shutil.copyfileobj(written, stream)
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        raise file_error(error, "written", str(path)) from error


@contextmanager
def _opened_stream(path: Path) -> Generator[IO[bytes]]:
    if not is_standard_output(path):
        with path.open("wb") as stream:
            yield stream
        return
    stream = standard_output()
    yield stream
    stream.flush()


def is_standard_output(path: Path) -> bool:
    """Returns True for ``-`` and for the name that Unix has for standard output."""
    return str(path) in (STANDARD, "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


def is_stream(path: Path) -> bool:
    """Returns True for standard output, a pipe, a device, or another open file of this process."""
    if str(path) == STANDARD or _OPEN_FILES.fullmatch(str(path)):
        return True
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def format_of(path: Path, count: int) -> str:
    """Returns the format in which so many arrays are written, as a suffix."""
    suffix = path.suffix.lower()
    if suffix not in _WRITERS and is_stream(path):
        return ".npy" if count == 1 else ".npz"
    return suffix


def check_output(path: Path, names: Collection[str]) -> None:
    """Raises, before anything runs, what ``save`` would raise for the file and the names of the arrays."""
    count = len(names)
    suffix = format_of(path, count)
    if suffix not in _WRITERS:
        raise invalid(f"cannot save values as {path.suffix or path.name!r}; known are {', '.join(_WRITERS)}")
    if suffix == ".npy" and count != 1:
        raise invalid(f"a .npy file holds one array, not {count}", hint="use .npz")
    if suffix == ".h5":
        h5_names(names)
    if not path.parent.is_dir():
        raise TfgError(
            Status.NOT_FOUND,
            f"there is no folder {str(path.parent)!r}",
            hint=f"mkdir -p {path.parent}",
        )
    if path.is_dir():
        raise TfgError(Status.FAILED_PRECONDITION, f"{str(path)!r} is a folder")


def h5_names(names: Collection[str]) -> dict[str, str]:
    """Returns the names of datasets: ``hidden:0`` for ``hidden`` where another name is ``hidden/product``, because HDF5
    has a dataset or a group of one name, not both. Raises INVALID_ARGUMENT for two datasets of one name."""
    groups = {name[:at] for name in names for at, c in enumerate(name) if c == "/"}
    datasets = {name: f"{name}:0" if name in groups else name for name in names}
    for name, dataset in datasets.items():
        if dataset != name and dataset in datasets:
            raise invalid(f"a .h5 file cannot hold both {name!r} and {dataset!r}", hint="use .npz")
    return datasets


def _write_npz(path: Path, arrays: Mapping[str, BlockArray]) -> None:
    import zipfile

    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                _write_member(member, array)


def _write_npy(path: Path, arrays: Mapping[str, BlockArray]) -> None:
    with path.open("wb") as file:
        _write_member(file, next(iter(arrays.values())))


def _write_member(file: IO[bytes], array: BlockArray) -> None:
    header = {
        "descr": npy_format.dtype_to_descr(array.dtype),
        "fortran_order": False,
        "shape": array.shape,
    }
    npy_format.write_array_header_1_0(file, header)
    for block in array.blocks():
        file.write(bytes_of(block))


def bytes_of(array: Array) -> Any:
    """Returns the elements of an array in memory, row by row, as a buffer."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _write_h5(path: Path, arrays: Mapping[str, BlockArray]) -> None:
    import h5py

    try:
        # atomic_write has locked the file.
        with h5py.File(path, "w", locking=False) as file:
            names = h5_names(arrays)
            for name, array in arrays.items():
                _fill(file.create_dataset(names[name], shape=array.shape, dtype=array.dtype), array)
    except (OSError, RuntimeError) as error:
        # HDF5 states the system's error in its text alone.
        number = _ERRNO.search(str(error))
        if number is None:
            raise OSError(f"HDF5: {error}") from error
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def _fill(dataset: Any, array: BlockArray) -> None:
    row = 0
    for block in array.blocks():
        if block.ndim == 0:
            dataset[()] = block
        elif block.size:
            dataset[row : row + len(block)] = block
            row += len(block)


def _write_json(path: Path, arrays: Mapping[str, BlockArray]) -> None:
    import json

    with path.open("w", encoding="utf-8") as file:
        file.write("{")
        for number, (name, array) in enumerate(arrays.items()):
            file.write(f"{', ' if number else ''}{json.dumps(name)}: ")
            _write_json_array(file, array)
        file.write("}\n")


def _write_json_array(file: IO[str], array: BlockArray) -> None:
    import json

    if not array.shape:
        file.writelines(json.dumps(jsonable(block)) for block in array.blocks())
        return
    file.write("[")
    separator = ""
    for block in array.blocks():
        if len(block):
            file.write(separator + json.dumps(jsonable(block))[1:-1])
            separator = ", "
    file.write("]")


_WRITERS = {".npz": _write_npz, ".npy": _write_npy, ".json": _write_json, ".h5": _write_h5}
