"""Random-access reading of a file, with bounds checks and checksums."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Location, Status, TfgError
from ..files import file_error
from .checksums import combine

if TYPE_CHECKING:
    from ..tensors import Array

# Small enough to be in the cache when the checksum is computed.
PIECE = 1 << 20

# The share of a large tensor for one thread. Page faults dominate, and threads take them in parallel.
_CHUNK = 1 << 24
_MAX_THREADS = 4


def data_loss(path: str, message: str, *, hint: str | None = None) -> TfgError:
    """Returns the DATA_LOSS error for a damaged file."""
    return TfgError(Status.DATA_LOSS, f"{path}: {message}", location=Location(path), hint=hint)


class DataFile:
    """A regular file, open for reading. Thread-safe.

    Raises NOT_FOUND, PERMISSION_DENIED or FAILED_PRECONDITION if it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            # Opening a pipe without O_NONBLOCK would block.
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (OSError, ValueError) as error:
            raise file_error(error, "read", path) from error
        state = os.fstat(self._descriptor)
        self.size = state.st_size
        if not stat.S_ISREG(state.st_mode):
            self.close()
            what = "a folder" if stat.S_ISDIR(state.st_mode) else "not a regular file"
            raise TfgError(
                Status.FAILED_PRECONDITION, f"{path} cannot be read: it is {what}", location=Location(path)
            )

    def is_current(self) -> bool:
        """Returns True unless another file has replaced this one under its name."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), Path(self.path).stat())
        except OSError:
            return False

    def read(self, offset: int, size: int) -> bytes:
        """Reads bytes. Raises DATA_LOSS beyond the end of the file."""
        self.check(offset, size)
        try:
            data = os.pread(self._descriptor, size, offset)
            while len(data) < size:
                more = os.pread(self._descriptor, size - len(data), offset + len(data))
                if not more:
                    raise self._ended(offset + len(data))
                data += more
        except (OSError, MemoryError) as error:
            raise file_error(error, "read", self.path) from error
        return data

    def read_into(self, target: Array, offset: int) -> int:
        """Fills a vector of bytes, a long one in several threads; returns the CRC-32C of the bytes."""
        if target.size <= _CHUNK:
            return self._read_chunk(target, offset)
        starts = range(0, target.size, _CHUNK)
        chunks = [target[start : start + _CHUNK] for start in starts]
        with ThreadPoolExecutor(min(os.cpu_count() or 1, _MAX_THREADS)) as pool:
            crcs = pool.map(self._read_chunk, chunks, [offset + start for start in starts])
            return reduce(lambda crc, piece: combine(crc, piece[0], piece[1].size), zip(crcs, chunks), 0)

    def _read_chunk(self, target: Array, offset: int) -> int:
        import google_crc32c

        crc = position = 0
        try:
            while position < target.size:
                piece = target[position : position + PIECE]
                count = os.preadv(self._descriptor, [piece.data], offset + position)
                if not count:
                    raise self._ended(offset + position)
                crc = google_crc32c.extend(crc, piece[:count])
                position += count
        except OSError as error:
            raise file_error(error, "read", self.path) from error
        return crc

    def check(self, offset: int, size: int) -> None:
        """Raises DATA_LOSS for a range of bytes beyond the end of the file."""
        if offset < 0 or size < 0 or offset + size > self.size:
            raise data_loss(
                self.path,
                f"needs {size} bytes at offset {offset}, but the file has {self.size} bytes",
                hint="the file is truncated or belongs to another checkpoint",
            )

    def _ended(self, position: int) -> TfgError:
        return data_loss(self.path, f"the file was truncated at {position} after it was opened")

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
