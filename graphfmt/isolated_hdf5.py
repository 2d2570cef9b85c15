"""Reads datasets of HDF5 files of other programs, in a process of their own.

HDF5's library crashes or never returns on some damaged files. The process that reads has limits of time and memory;
when it ends without an answer, the file is reported as damaged. The elements come through shared memory, so that this
is as fast as to read them here.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import Location, Status, TfgError
from .files import check_regular

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .tensors import Array


def read_dataset(path: Path, key: str | None) -> Array:
    """Reads a dataset; the key may be None if the file has only one. Links to other files are not followed.

    The array is read-only. Raises NOT_FOUND for a file or dataset that does not exist, RESOURCE_EXHAUSTED for one that
    claims far more memory than its file justifies, DATA_LOSS for a file on which HDF5 crashes or does not return, and
    INVALID_ARGUMENT for all others that cannot be read.
    """
    return read_datasets(path, [key])[0]


def read_datasets(path: Path, keys: Sequence[str | None]) -> list[Array]:
    """Reads some datasets in one process. Raises as ``read_dataset``, for the first that cannot be read."""
    check_regular(path)
    with ExitStack() as stack:
        memories = [stack.enter_context(_shared_memory()).fileno() for _ in keys]
        reply = _run_reader(path, list(zip(keys, memories)))
        return [_array(memory, one) for memory, one in zip(memories, reply["datasets"])]


def dataset_sizes(path: Path) -> dict[str, int]:
    """Returns the bytes of the elements of all datasets, by name. Raises as ``read_dataset``."""
    check_regular(path)
    reply = _run_reader(path, [(None, -1)])
    return dict(zip(reply["names"], reply["sizes"]))


def _shared_memory() -> Any:
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("hdf5"), "w+b")
    return tempfile.TemporaryFile()


def _run_reader(path: Path, wanted: Sequence[tuple[str | None, int]]) -> dict[str, Any]:
    """Runs the reader, and returns its reply. Raises the error that it reports, DATA_LOSS if it ends without a reply.

    ``wanted`` has a key and the file descriptor for the elements of each dataset, -1 to list all.
    """
    # -P: no module is taken from the current folder.
    command = [sys.executable, "-P", "-m", "tfg.graphfmt.hdf5_reader", str(path)]
    command += [word for key, memory in wanted for word in (key or "", str(memory))]
    done = subprocess.run(
        command,
        pass_fds=[memory for _, memory in wanted if memory >= 0],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        check=False,
    )
    if done.returncode == 0:
        reply = json.loads(done.stdout)
        if "error" in reply:
            status, message, hint = reply["error"]
            raise TfgError(Status(status), message, hint=hint, location=Location(str(path)))
        return reply
    if done.returncode == -signal.SIGINT:
        raise KeyboardInterrupt
    if done.returncode == -signal.SIGPROF:
        why = "HDF5 has not read it within the time that its size allows"
    elif done.returncode < 0:
        why = f"HDF5 crashes on it ({signal.Signals(-done.returncode).name})"
    else:
        why = f"HDF5 cannot read it (exit status {done.returncode})"
    raise TfgError(Status.DATA_LOSS, f"{str(path)!r} is damaged: {why}", location=Location(str(path)))


def _array(memory: int, reply: dict[str, Any]) -> Array:
    import mmap

    shape = tuple(reply["shape"])
    size = os.fstat(memory).st_size
    data = mmap.mmap(memory, size, access=mmap.ACCESS_READ) if size else b""
    if reply["dtype"] != "string":
        return np.frombuffer(data, np.dtype(reply["dtype"])).reshape(shape)
    strings = np.empty(len(reply["lengths"]), object)
    begin = 0
    for place, length in enumerate(reply["lengths"]):
        strings[place] = bytes(data[begin : begin + length])
        begin += length
    return strings.reshape(shape)
