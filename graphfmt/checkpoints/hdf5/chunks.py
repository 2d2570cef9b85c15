"""The pieces of a tensor in a file. Each has its own checksum, so that it can be read and verified alone, and is read
and written without HDF5 and Python's global lock.

A large tensor is divided along its leading axes into chunks of contiguous elements; a small one is a single piece.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from ...tensors import Array
    from ..slices import Region

T = TypeVar("T")
R = TypeVar("R")

LARGE = 8 << 20
CHUNK = 4 << 20
COMPRESSED_CHUNK = 1 << 20
COMPRESSIBLE = 16 << 10
# The bytes to read or write in one call: few enough to be in the cache when the checksum is computed.
STRIDE = 1 << 20
# An HDF5 attribute of one number per chunk must stay below 64 KiB.
_MOST_CHUNKS = 8192
# SYNC_FILE_RANGE_WRITE of <fcntl.h>.
_WRITE = 2


def _no_rest() -> None:
    pass


# Called between strides of writing and verifying, where a background writer yields to other threads.
_rest: ContextVar[Callable[[], None]] = ContextVar("rest", default=_no_rest)


@contextmanager
def yielding_between_strides(rest: Callable[[], None]) -> Generator[None]:
    """Makes this thread call ``rest`` after every stride of a file that it writes or scans."""
    token = _rest.set(rest)
    try:
        yield
    finally:
        _rest.reset(token)


class Grid(NamedTuple):
    """A shape and the shape of its chunks; without ``chunks`` it is one piece, or none if it is empty."""

    shape: tuple[int, ...]
    chunks: tuple[int, ...] = ()

    @property
    def pieces(self) -> int:
        if not prod(self.shape):
            return 0
        return prod(-(-size // chunk) for size, chunk in zip(self.shape, self.chunks)) if self.chunks else 1

    def boxes(self) -> Iterator[Region]:
        """Yields the regions of the pieces, in the order of their elements."""
        if not self.pieces:
            return
        if not self.chunks:
            yield tuple(slice(0, size) for size in self.shape)
            return
        for index in np.ndindex(*(-(-size // chunk) for size, chunk in zip(self.shape, self.chunks))):
            yield tuple(
                slice(i * chunk, min((i + 1) * chunk, size))
                for i, chunk, size in zip(index, self.chunks, self.shape)
            )

    @property
    def is_runs(self) -> bool:
        """True if every chunk is one contiguous run of elements, as ``chunk_grid`` makes them."""
        lead = next((axis for axis, chunk in enumerate(self.chunks) if chunk > 1), len(self.chunks) - 1)
        return self.chunks[lead + 1 :] == self.shape[lead + 1 :]


def chunk_grid(shape: tuple[int, ...], itemsize: int, *, compress: bool = False) -> Grid:
    """Divides a large shape into chunks of a few MiB with little padding; a small one is a single piece."""
    size = prod(shape) * itemsize
    if not shape or size < (COMPRESSIBLE if compress else LARGE):
        return Grid(shape)
    target = max(COMPRESSED_CHUNK if compress else CHUNK, -(-size * 2 // _MOST_CHUNKS))
    axis = next(a for a in range(len(shape)) if prod(shape[a + 1 :]) * itemsize <= target)
    most = min(max(target // (prod(shape[axis + 1 :]) * itemsize), 1), shape[axis])
    # Chooses the least padding in the last chunk, then the fewest chunks.
    length = (
        min(range(max(most // 2, 1), most + 1), key=lambda k: (-shape[axis] % k, -k)) if most < 4096 else most
    )
    return Grid(shape, (1,) * axis + (length,) + shape[axis + 1 :])


def octets(array: Array) -> Array:
    """Returns the memory of a contiguous array as a vector of bytes."""
    return array.reshape(-1).view(np.uint8)


def within(part: Region, whole: Region) -> Any:
    """Returns the index of a box in an array that holds a larger one; it selects a view."""
    return (*(slice(x.start - y.start, x.stop - y.start) for x, y in zip(part, whole)), ...)


def checksum(data: Any, before: int = 0) -> int:
    """Returns the CRC-32C of bytes that follow those with the checksum ``before``."""
    import google_crc32c

    return google_crc32c.extend(before, data)


def write(file: int, address: int, data: Array) -> int:
    """Writes bytes at an address and begins to flush them to the disk; returns their checksum."""
    crc, rest = 0, _rest.get()
    for start in range(0, len(data), STRIDE):
        block = data[start : start + STRIDE]
        crc = checksum(block, crc)
        write_all(file, address + start, block)
        rest()
    if len(data) >= STRIDE:
        _begin_flush(file, address, len(data))
    return crc


def _begin_flush(file: int, address: int, length: int) -> None:
    """Starts to flush written bytes in the background, so that the final flush has little to do."""
    begin = _sync_file_range()
    if begin is not None:
        begin(file, address, length, _WRITE)


@cache
def _sync_file_range() -> Any:
    """Returns Linux's ``sync_file_range``, or None on other systems. Its result is not checked: the final flush is."""
    import ctypes

    function = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if function is not None:
        function.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return function


def write_all(file: int, address: int, data: Any) -> None:
    view = memoryview(data).cast("B")
    while view:
        done = os.pwrite(file, view, address)
        view, address = view[done:], address + done


def read(file: int, address: int, data: Array) -> int:
    """Fills ``data`` from an address; returns the checksum. Raises EOFError if the file is too short."""
    crc = 0
    for start in range(0, len(data), STRIDE):
        block = data[start : start + STRIDE]
        read_all(file, address + start, block)
        crc = checksum(block, crc)
    return crc


def read_all(file: int, address: int, data: Array) -> None:
    view = data.data
    while view:
        done = os.preadv(file, [view], address)
        if not done:
            raise EOFError(f"the file ends at byte {address}")
        view, address = view[done:], address + done


def scan(file: int, address: int, length: int, scratch: Array, before: int = 0) -> int:
    """Returns the checksum of bytes, read through ``scratch``. Raises EOFError if the file is too short."""
    crc, rest = before, _rest.get()
    for start in range(0, length, len(scratch)):
        block = scratch[: min(len(scratch), length - start)]
        read_all(file, address + start, block)
        crc = checksum(block, crc)
        rest()
    return crc


def scan_all(file: int, runs: Iterable[tuple[int, int]]) -> int:
    """Returns the checksum of the concatenated ranges (address, length)."""
    scratch, crc = np.empty(STRIDE, np.uint8), 0
    for address, length in runs:
        crc = scan(file, address, length, scratch, crc)
    return crc


def compress_chunk(data: Array, itemsize: int) -> bytes:
    """Applies HDF5's shuffle and deflate filters."""
    import zlib

    return zlib.compress(np.ascontiguousarray(data.reshape(-1, itemsize).T).data, 1)


def decompress_chunk(data: Array, itemsize: int, length: int) -> Array:
    """Reverses ``compress_chunk`` without taking more memory than ``length``. Raises ValueError."""
    import zlib

    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(data.data, length)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(plain) != length or not (inflater.eof or not inflater.decompress(inflater.unconsumed_tail, 1)):
        raise ValueError(f"it does not decompress to {length} bytes")
    return np.ascontiguousarray(np.frombuffer(plain, np.uint8).reshape(itemsize, -1).T).reshape(-1)


def in_threads(work: Callable[[T], R], items: Sequence[T]) -> None:
    """Calls ``work`` with each item, in several threads: page faults dominate reading, and threads take them in
    parallel. Raises the first error in the order of the items."""
    if len(items) < 2:
        for item in items:
            work(item)
        return
    with ThreadPoolExecutor(_threads(), "read") as pool:
        for future in [pool.submit(work, item) for item in items]:
            future.result()


def in_order(work: Callable[[T], R], items: Iterable[T]) -> Iterator[tuple[T, R]]:
    """Calls ``work`` with each item in several threads; yields items and results in order, with few in memory."""
    with ThreadPoolExecutor(_threads(), "compress") as pool:
        waiting: deque[tuple[T, Future[R]]] = deque()
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) > _threads():
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()


def _threads() -> int:
    return min(os.cpu_count() or 1, 4)
