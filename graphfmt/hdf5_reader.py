"""The process that reads datasets for ``isolated_hdf5``: ``python -m tfg.graphfmt.hdf5_reader FILE KEY MEMORY …``.

Writes the elements of each KEY to the file descriptor MEMORY behind it, and one JSON object to standard output:
``datasets``, a list with ``dtype`` and ``shape``, for strings also ``lengths``; or ``error`` with a status, a message
and a hint. Without MEMORY (-1), the object has the ``names`` and ``sizes`` in bytes of all datasets.
"""

from __future__ import annotations

import json
import mmap
import os
import resource
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .arrays import check_claim, select_key
from .errors import Status, TfgError, invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

# Processor time: seconds, and seconds per byte of the file and of the dataset.
_START, _PER_BYTE = 1.0, 1 / (4 << 20)
# Address space beyond the file and the dataset: Python, numpy, HDF5.
_ADDRESS_SPACE = 4 << 30


def _main(path: Path, wanted: Sequence[tuple[str, int]]) -> None:
    try:
        if any(memory < 0 for _, memory in wanted):
            reply = _list(path)
        else:
            reply = {"datasets": [_read(path, key or None, memory) for key, memory in wanted]}
    except TfgError as error:
        reply = {"error": [str(error.status), error.message, error.hint]}
    except MemoryError:
        reply = {"error": [str(Status.RESOURCE_EXHAUSTED), f"{str(path)!r} does not fit in memory", None]}
    except Exception as error:
        reply = {
            "error": [
                str(Status.INVALID_ARGUMENT),
                f"{str(path)!r} cannot be read as HDF5: {_reason(error)}",
                None,
            ]
        }
    sys.stdout.write(json.dumps(reply))
    sys.stdout.flush()
    # Closing a damaged file may crash too.
    os._exit(0)


def _reason(error: Exception) -> str:
    """Returns the message of an HDF5 error without the function name."""
    text = str(error).strip("'") or type(error).__name__
    return text.removeprefix("Unable to synchronously open file (").removesuffix(")")


def _list(path: Path) -> dict[str, Any]:
    import h5py

    _limit(path.stat().st_size)
    file = h5py.File(path, "r", locking=False)
    names = _datasets(file, h5py)
    datasets: list[Any] = [file[name] for name in names]
    return {"names": names, "sizes": [(one.size or 0) * one.dtype.itemsize for one in datasets]}


def _read(path: Path, key: str | None, memory: int) -> dict[str, Any]:
    import h5py

    size = path.stat().st_size
    _limit(size)
    file = h5py.File(path, "r", locking=False)
    name = select_key(path, key.strip("/") if key else None, _datasets(file, h5py))
    dataset: Any = file[name]
    if dataset.external or dataset.is_virtual:
        raise invalid(f"{str(path)!r} dataset {name!r} has its data in other files")
    is_string = h5py.check_string_dtype(dataset.dtype) is not None
    if dataset.shape is None or not (is_string or dataset.dtype.kind in "biufc"):
        raise invalid(f"{str(path)!r} dataset {name!r} is not a tensor")
    claimed = dataset.size * dataset.dtype.itemsize
    check_claim(path, name, claimed, dataset.id.get_storage_size())
    _limit(size + claimed)
    if is_string:
        return _write_strings(dataset, memory)
    return _write_numbers(dataset, memory)


def _limit(size: int) -> None:
    """Limits the processor time from now on and the memory to what data of a size can need."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, _START + size * _PER_BYTE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    wanted = _ADDRESS_SPACE + 4 * size
    if most == resource.RLIM_INFINITY or wanted < most:
        resource.setrlimit(resource.RLIMIT_AS, (wanted, most))


def _datasets(file: Any, h5py: Any) -> list[str]:
    """Returns the names of all datasets; soft and external links are not visited."""
    names: list[str] = []

    def visit(name: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset):
            names.append(name)

    file.visititems(visit)
    return names


def _write_numbers(dataset: Any, memory: int) -> dict[str, Any]:
    dtype = dataset.dtype.newbyteorder("=")
    if dataset.size:
        os.ftruncate(memory, dataset.size * dtype.itemsize)
        shared = np.frombuffer(mmap.mmap(memory, dataset.size * dtype.itemsize), dtype).reshape(dataset.shape)
        if shared.ndim:
            dataset.read_direct(shared)
        else:
            shared[...] = dataset[()]
    return {"dtype": dtype.str, "shape": dataset.shape}


def _write_strings(dataset: Any, memory: int) -> dict[str, Any]:
    strings = [bytes(item) for item in np.asarray(dataset[()], object).reshape(-1)]
    with os.fdopen(memory, "wb", closefd=False) as file:
        file.writelines(strings)
    return {"dtype": "string", "shape": dataset.shape, "lengths": list(map(len, strings))}


if __name__ == "__main__":
    _main(Path(sys.argv[1]), list(zip(sys.argv[2::2], map(int, sys.argv[3::2]))))
