"""Reading arrays from files: .npy, .npz and HDF5; arrays as JSON.

Headers are checked against the size of the data before allocation.
"""

from __future__ import annotations

import io
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy_format

from . import dtypes
from .errors import Location, Status, TfgError, invalid
from .files import check_regular, file_error, read_file
from .names import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path
    from zipfile import ZipFile

    from .tensors import Array

# The limit of decompressed bytes per stored byte; arrays up to _UNLIMITED_SIZE bytes have none.
_MAX_RATIO = 300
_UNLIMITED_SIZE = 64 << 20

# numpy supports 64 dimensions, before version 2 only 32.
_MAX_DIMENSIONS = 32


def npy_array(path: Path) -> Array:
    """Reads a ``.npy`` file. Raises INVALID_ARGUMENT for pickles and truncated files."""
    return npy_bytes(read_file(path)[0], str(path))


def npy_bytes(data: bytes, name: str) -> Array:
    """Returns the array in the bytes of a ``.npy`` file, whose memory it shares."""
    try:
        stream = io.BytesIO(data)
        version = npy_format.read_magic(stream)
        read_header = (
            npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        )
        shape, fortran, dtype = read_header(stream)
    except Exception as error:
        # numpy parses the header as Python, and does not catch the errors of the tokenizer and parser.
        raise _array_error(name, f"is not a .npy file: {str(error).partition(chr(10))[0]}") from None
    _check_header(name, shape, dtype)
    count = math.prod(shape)
    start = stream.tell()
    if len(data) - start != count * dtype.itemsize:
        raise _array_error(name, f"claims {count} elements of {dtype}, but holds {len(data) - start} bytes")
    flat = np.frombuffer(data, dtype, count, start)
    return _native(flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape))


def _check_header(name: str, shape: tuple[Any, ...], dtype: np.dtype[Any]) -> None:
    if dtype.hasobject:
        raise _array_error(name, "holds Python objects, which tfg does not unpickle")
    if any(type(dim) is not int or not 0 <= dim < 1 << 63 for dim in shape):
        raise _array_error(name, f"claims the impossible shape {shape}")
    if len(shape) > _MAX_DIMENSIONS or dtype.itemsize == 0 or not _is_plain(dtype):
        raise _array_error(name, f"holds elements of type {dtype}, which no tensor has")


def _is_plain(dtype: np.dtype[Any]) -> bool:
    """Returns True for numbers, strings, and the two-byte void type that ml_dtypes writes for bfloat16."""
    return dtype.kind in "biufcSU" or (dtype.kind == "V" and dtype.itemsize == 2 and dtype.names is None)


def _native(array: Array) -> Array:
    """Returns the array in native byte order; the two-byte void type is bfloat16."""
    if array.dtype.kind == "V":
        return array.view(dtypes.bfloat16.numpy)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def npz_names(path: Path) -> list[str]:
    """Returns the names of the arrays in a ``.npz`` file."""
    with _archive(path) as archive:
        return _names(archive)


def _names(archive: ZipFile) -> list[str]:
    return list(dict.fromkeys(name.removesuffix(".npy") for name in archive.namelist()))


def npz_sizes(path: Path) -> dict[str, int]:
    """Returns the bytes of the arrays in a ``.npz`` file, by name, as the archive states them."""
    with _archive(path) as archive:
        return {member.filename.removesuffix(".npy"): member.file_size for member in archive.infolist()}


def npz_array(path: Path, key: str | None) -> Array:
    """Reads an array of a ``.npz`` file; the key may be None if the file has only one."""
    with _archive(path) as archive:
        key = select_key(path, key, _names(archive))
        member = archive.getinfo(f"{key}.npy" if f"{key}.npy" in archive.namelist() else key)
        check_claim(path, key, member.file_size, member.compress_size)
        return npy_bytes(archive.read(member), f"{path}[{key}]")


@contextmanager
def _archive(path: Path) -> Generator[ZipFile]:
    """Yields an open ``.npz`` file. Any exception about it, of zipfile or a decompressor, becomes INVALID_ARGUMENT."""
    import zipfile

    check_regular(path)
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except TfgError:
        raise
    except PermissionError as error:
        raise file_error(error, "read", str(path)) from error
    except MemoryError:
        raise TfgError(Status.RESOURCE_EXHAUSTED, f"{str(path)!r} does not fit in memory") from None
    except Exception as error:
        raise _array_error(
            str(path), f"is not a .npz file, or is damaged: {str(error) or type(error).__name__}"
        ) from None


def check_claim(path: Path, key: str, claimed: int, stored: int) -> None:
    """Raises RESOURCE_EXHAUSTED for an array far larger in memory than in the file."""
    if claimed > _UNLIMITED_SIZE and claimed > _MAX_RATIO * max(stored, 1):
        raise TfgError(
            Status.RESOURCE_EXHAUSTED,
            f"array {key!r} claims {claimed} bytes out of {stored}",
            location=Location(str(path)),
        )


def select_key(path: Path, key: str | None, names: list[str]) -> str:
    """Returns the name of the array to read. Raises NOT_FOUND, or INVALID_ARGUMENT where there is not exactly one."""
    if key is None and len(names) == 1:
        return names[0]
    if key is None:
        some = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        if not names:
            raise invalid(f"{str(path)!r} holds no arrays")
        raise invalid(
            f"{str(path)!r} holds several arrays: {some}",
            hint=f"choose one: @{path}[{names[0]}]",
        )
    if key not in names and f"{key}:0" in names:
        return f"{key}:0"
    if key not in names:
        raise TfgError(
            Status.NOT_FOUND, f"{str(path)!r} holds no array {key!r}", hint=did_you_mean(key, names)
        )
    return key


def h5_array(path: Path, key: str | None) -> Array:
    """Reads a dataset of an HDF5 file; the key may be None if the file has only one."""
    from .isolated_hdf5 import read_dataset

    return read_dataset(path, key)


def jsonable(array: Array) -> Any:
    """Returns an array as nested lists for JSON.

    NaN and infinities are the strings "NaN", "Infinity" and "-Infinity"; complex numbers are pairs, bytes are strings.
    """
    array = plain_numbers(array)
    return array.tolist() if array.dtype.kind in "biu" else _jsonable_item(array.tolist())


def plain_numbers(array: Array) -> Array:
    """Converts the types of ml_dtypes to those of numpy: integers of 4 bits to 8, floats to float32."""
    # numpy marks types that another package has registered with a 2.
    if array.dtype.isbuiltin != 2:
        return array
    dtype = dtypes.of_numpy(array.dtype)
    if not dtype.is_integer:
        return array.astype(np.float32)
    return array.astype(np.uint8 if dtype.name.startswith("u") else np.int8)


def _jsonable_item(item: Any) -> Any:
    if isinstance(item, list):
        return [_jsonable_item(x) for x in item]
    if isinstance(item, complex):
        return [_jsonable_item(item.real), _jsonable_item(item.imag)]
    if isinstance(item, bytes):
        return item.decode("utf-8", "backslashreplace")
    if isinstance(item, float) and not math.isfinite(item):
        return "NaN" if math.isnan(item) else "Infinity" if item > 0 else "-Infinity"
    return item


def _array_error(name: str, why: str) -> TfgError:
    return TfgError(Status.INVALID_ARGUMENT, f"{name!r} {why}")
