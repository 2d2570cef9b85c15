"""State files: everything a session needs to go on, in one HDF5 file that proves itself.

Layout: a resource's arrays lie under ``/<kind>/<container>/<name>:<field>``; a variable ``hidden/w`` of the
default container is the dataset ``/Variable/hidden/w:value``. Every dataset carries its TensorFlow dtype and
a checksum, and the root a commit record over all of them, written last: a copy that was cut short is found
out.

A file is written under another name, flushed to the disk, read again and verified, and only then renamed:
whatever happens, the old state or the new one is there.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dtypes
from ..errors import Location, Status, TfgError
from ..files import check_writable, refused, written
from .hdf5 import reason

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from ..tensors import Array

FORMAT = 1

# (container, kind, name) of a resource.
Key = tuple[str, str, str]


@dataclass(frozen=True)
class State:
    """What a session leaves behind: the arrays of every resource, and notes of the run that made them
    (step number, position in the feeds)."""

    resources: Mapping[Key, Mapping[str, Array]] = field(default_factory=dict[Key, "Mapping[str, Array]"])
    notes: Mapping[str, Any] = field(default_factory=dict[str, Any])


def write(path: Path, state: State) -> None:
    """Replaces the file at ``path`` by this state, or leaves it as it was and raises."""
    with written(path) as temporary:
        _write_file(temporary, state)
        _flush(temporary)
        read(temporary)


def read(path: Path) -> State:
    """The state in a file.

    Raises:
        TfgError: NOT_FOUND where there is no file; DATA_LOSS, naming the dataset, where it does not verify;
            INVALID_ARGUMENT where it is no state file or one of a later format.
    """
    if not path.exists():
        raise TfgError(Status.NOT_FOUND, f"there is no state file {str(path)!r}")
    with _opened(path) as file:
        record = _record(path, file)
        try:
            return _state(path, file, record)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise _refused(
                path, Status.DATA_LOSS, f"has a commit record that makes no sense: {error}"
            ) from error


def _state(path: Path, file: Any, record: Any) -> State:
    resources: dict[Key, dict[str, Array]] = {}
    for entry in record["datasets"]:
        key = (entry["container"], entry["kind"], entry["name"])
        resources.setdefault(key, {})[entry["field"]] = _read_dataset(path, file, entry)
    for container, kind, name in record["resources"]:
        resources.setdefault((container, kind, name), {})
    return State(resources, dict(record["notes"]))


def check_replaceable(path: Path) -> None:
    """Raises, before anything runs, what ``write`` would raise for a file that must stay as it is."""
    try:
        check_writable(Path(os.path.realpath(path)))
        if not os.access(path.absolute().parent, os.W_OK):
            raise PermissionError
    except OSError as error:
        raise refused(error, "written", str(path)) from error


def _write_file(path: Path, state: State) -> None:
    import h5py

    # The earliest layout keeps no times, so equal states are equal files.
    with h5py.File(path, "w", libver="earliest", locking=False) as file:
        entries = [
            _write_dataset(file, key, name, array)
            for key, arrays in sorted(state.resources.items())
            for name, array in sorted(arrays.items())
        ]
        record = {
            "datasets": entries,
            "resources": [list(key) for key in sorted(state.resources)],
            "notes": dict(state.notes),
        }
        text = json.dumps(record, sort_keys=True)
        file.attrs["tfg_format"] = FORMAT
        # An attribute holds at most 64 KiB, so the record is a dataset.
        file.create_dataset("commit", data=np.frombuffer(text.encode(), np.uint8))
        file.attrs["commit_sha256"] = hashlib.sha256(text.encode()).hexdigest()


def _dataset_path(key: Key, name: str) -> str:
    container, kind, resource = key
    parts = [kind, *([f"container:{container}"] if container else []), *resource.split("/")]
    return "/" + "/".join(_escaped(part) for part in parts) + f":{name}"


def _escaped(part: str) -> str:
    """HDF5 reads ``.`` as the group itself, and an empty part as none."""
    return f"%{part}%" if part in ("", ".", "..") else part


def _write_dataset(file: Any, key: Key, name: str, array: Array) -> dict[str, Any]:
    dtype = dtypes.of_numpy(array.dtype)
    stored = _encode(np.asarray(array), dtype)
    path = _dataset_path(key, name)
    dataset = file.create_dataset(path, data=stored)
    checksum = _checksum(stored)
    dataset.attrs["dtype"] = dtype.name
    dataset.attrs["shape"] = list(array.shape)
    dataset.attrs["crc32"] = checksum
    container, kind, resource = key
    return {
        "container": container,
        "kind": kind,
        "name": resource,
        "field": name,
        "path": path,
        "dtype": dtype.name,
        "shape": list(array.shape),
        "crc32": checksum,
    }


def _checksum(stored: Array) -> int:
    return zlib.crc32(np.ascontiguousarray(stored).reshape(-1).view(np.uint8).data) if stored.size else 0


def _encode(array: Array, dtype: dtypes.DType) -> Array:
    """As HDF5 can hold it: strings as one run of bytes behind their lengths, bit patterns for the types
    that HDF5 has no name for."""
    if dtype is dtypes.string:
        texts: list[bytes] = array.reshape(-1).tolist()
        lengths = np.array([len(texts), *map(len, texts)], "<i8")
        return np.frombuffer(lengths.tobytes() + b"".join(texts), np.uint8)
    if dtype.numpy_name.startswith("ml:"):
        return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")
    return array


def _decode(stored: Array, dtype: dtypes.DType, shape: tuple[int, ...]) -> Array:
    if dtype is dtypes.string:
        raw = stored.tobytes()
        count = int.from_bytes(raw[:8], "little")
        ends = 8 * (count + 1) + np.cumsum(np.frombuffer(raw, "<i8", count, 8))
        starts = [8 * (count + 1), *ends[:-1].tolist()]
        texts = np.empty(count, object)
        texts[:] = [raw[start:end] for start, end in zip(starts, ends.tolist())]
        return texts.reshape(shape)
    if dtype.numpy_name.startswith("ml:"):
        return stored.view(dtype.numpy)
    return stored


def _record(path: Path, file: Any) -> Any:
    version: Any = file.attrs.get("tfg_format")
    if version is None:
        raise _refused(path, Status.INVALID_ARGUMENT, "is an HDF5 file, but not a state of tfg's")
    if np.ndim(version) or version != FORMAT:
        raise _refused(
            path, Status.INVALID_ARGUMENT, f"has format {version}; this version of tfg reads format {FORMAT}"
        )
    dataset = _plain_dataset(path, file, "/commit")
    text = dataset[()].tobytes()
    if hashlib.sha256(text).hexdigest() != str(file.attrs.get("commit_sha256")):
        raise _refused(path, Status.DATA_LOSS, "has a commit record that does not verify")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _refused(path, Status.DATA_LOSS, f"has a commit record that is not JSON: {error}") from error


def _plain_dataset(path: Path, file: Any, name: str) -> Any:
    """A dataset that lies in this very file. Links and external storage are never followed."""
    import h5py

    group: Any = file
    for part in name.strip("/").split("/"):
        link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
        if not isinstance(link, h5py.HardLink):
            raise _refused(path, Status.DATA_LOSS, f"has no dataset {name!r} of its own")
        group = group[part]
    if not isinstance(group, h5py.Dataset) or group.external or group.is_virtual:
        raise _refused(path, Status.DATA_LOSS, f"has no dataset {name!r} of its own")
    # What is written here is never compressed.
    if group.id.get_storage_size() != group.size * group.dtype.itemsize:
        raise _refused(path, Status.DATA_LOSS, f"claims more in dataset {name!r} than it holds")
    return group


def _read_dataset(path: Path, file: Any, entry: Mapping[str, Any]) -> Array:
    dataset = _plain_dataset(path, file, entry["path"])
    stored = np.asarray(dataset[()])
    if _checksum(stored) != entry["crc32"]:
        raise _refused(path, Status.DATA_LOSS, f"has a dataset {entry['path']!r} whose checksum is wrong")
    dtype, shape = dtypes.BY_NAME[entry["dtype"]], tuple(entry["shape"])
    array = _decode(stored, dtype, shape)
    if array.dtype != dtype.numpy or array.shape != shape:
        raise _refused(
            path, Status.DATA_LOSS, f"has a dataset {entry['path']!r} of another dtype or shape than it says"
        )
    return array


@contextmanager
def _opened(path: Path) -> Generator[Any]:
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        if isinstance(error, PermissionError | IsADirectoryError):
            raise refused(error, "read", str(path)) from error
        raise _refused(path, Status.DATA_LOSS, f"cannot be read as HDF5: {reason(error)}") from error


def _refused(path: Path, status: Status, why: str) -> TfgError:
    error = TfgError(status, f"{str(path)!r} {why}")
    error.location = Location(str(path))
    return error


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
