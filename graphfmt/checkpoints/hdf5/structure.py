"""The structure of an HDF5 file: h5py creates groups, datasets and attributes, and allocates the addresses of the data.

The data itself is written without h5py, which holds Python's global lock in every call.
"""

from __future__ import annotations

import atexit
import os
from functools import cache
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np

from .chunks import write_all

if TYPE_CHECKING:
    from types import TracebackType

    from ...tensors import Array
    from ..slices import Region
    from .chunks import Grid

# Data of at least ``_ALIGNED`` bytes begins at a page.
_ALIGNED, _PAGE = 1 << 16, 1 << 12


def reason(error: Exception) -> str:
    """Returns the message of an HDF5 error without the function name."""
    return str(error).strip("'").removeprefix("Unable to synchronously open file (").removesuffix(")")


class _Disk:
    """The file as HDF5 sees it. HDF5 does not recover from failed writes, so an error is stored,
    and raised at the end."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._position = 0
        self.error: OSError | None = None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + (os.fstat(self._file).st_size if whence == os.SEEK_END else 0)
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Reads bytes. h5py requires this method of a file object, but calls ``readinto``."""
        return os.pread(self._file, size, self._position)

    def readinto(self, buffer: Any) -> int:
        return os.preadv(self._file, [buffer], self._position)

    def write(self, data: Any) -> int:
        try:
            write_all(self._file, self._position, data)
        except OSError as error:
            self.error = self.error or error
        self._position += len(data)
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        size = self._position if size is None else size
        try:
            os.ftruncate(self._file, size)
        except OSError as error:
            self.error = self.error or error
        return size

    def flush(self) -> None:
        pass


_unfinished: set[Event] = set()


@cache
def _end_in_order() -> None:
    """Makes Python wait for unfinished files at exit, because h5py closes HDF5 then and would deadlock."""

    def wait() -> None:
        for done in list(_unfinished):
            done.wait()

    atexit.register(wait)


class Structure:
    """A new HDF5 file in an open, empty file. Datasets have addresses as soon as they are created."""

    def __init__(self, file: int) -> None:
        import h5py

        # Registered after h5py's exit function, and so called before it.
        _end_in_order()
        self._done = Event()
        self._disk = _Disk(file)
        self._h5 = h5py
        # The earliest layout stores no times, so that equal contents give equal files.
        self._root = h5py.File(
            self._disk, "w", libver="earliest", alignment_threshold=_ALIGNED, alignment_interval=_PAGE
        )
        self._links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
        self._links.set_create_intermediate_group(True)
        self._links.set_char_encoding(h5py.h5t.CSET_UTF8)
        # Shared by all datasets, because creating them takes longer than using them.
        self._text = h5py.string_dtype()
        self._types: dict[tuple[np.dtype[Any], bool], Any] = {}
        self._spaces: dict[tuple[int, ...], Any] = {(): h5py.h5s.create(h5py.h5s.SCALAR)}
        self._plain = self._options()

    def __enter__(self) -> Structure:
        _unfinished.add(self._done)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._root.close()
            if error is None and self._disk.error is None:
                # The first opening for changes writes marks into the file, which later ones leave unchanged.
                self._h5.File(self._disk, "r+").close()
        finally:
            _unfinished.discard(self._done)
            self._done.set()
            if self._disk.error is not None:
                raise self._disk.error

    def line(self, path: str, size: int) -> int:
        """Creates a dataset of one text of ``size`` bytes; returns its address."""
        dataset = self._create(path, np.dtype(f"S{size}"), (), self._plain)
        return int(dataset.get_offset())

    def dataset(
        self, path: str, stored_type: np.dtype[Any], grid: Grid, *, compress: bool = False
    ) -> tuple[Any, list[int]]:
        """Creates a dataset; returns it and the addresses of its pieces in the order of ``grid.boxes()``.

        A compressed dataset has addresses only after ``write_chunk``; see ``addresses``.
        """
        options = self._options() if grid.chunks else self._plain
        if grid.chunks:
            options.set_chunk(grid.chunks)
        if compress:
            options.set_alloc_time(self._h5.h5d.ALLOC_TIME_INCR)
            options.set_shuffle()
            options.set_deflate(1)
        dataset = self._create(path, stored_type, grid.shape, options)
        if not grid.pieces or compress:
            return dataset, []
        return dataset, self.addresses(dataset, grid)

    def write_chunk(self, dataset: Any, box: Region, data: Array, *, plain: bool) -> None:
        """Writes the next chunk of a compressed dataset: filtered data, or ``plain`` data."""
        dataset.write_direct_chunk(
            tuple(side.start for side in box), data.data, filter_mask=0b11 if plain else 0
        )

    def addresses(self, dataset: Any, grid: Grid) -> list[int]:
        if not grid.chunks:
            return [int(dataset.get_offset())]
        """Returns the addresses of the pieces of a written dataset, in the order of ``grid.boxes()``."""
        addresses: dict[tuple[int, ...], int] = {}

        def note(info: Any) -> None:
            addresses[tuple(info.chunk_offset)] = int(info.byte_offset)

        dataset.chunk_iter(note)
        return [addresses[tuple(side.start for side in box)] for box in grid.boxes()]

    def describe(self, dataset: Any, attributes: dict[str, Any]) -> None:
        """Adds attributes: texts, numbers and vectors of numbers."""
        for name, value in attributes.items():
            array = np.array(value.encode(), self._text) if isinstance(value, str) else np.asarray(value)
            kind = self._type(array.dtype)
            attribute = self._h5.h5a.create(dataset, name.encode(), kind, self._space(array.shape))
            if array.size:
                attribute.write(array, self._type(array.dtype, in_memory=True))

    def _create(self, path: str, stored_type: np.dtype[Any], shape: tuple[int, ...], options: Any) -> Any:
        kind, space = self._type(stored_type), self._space(shape)
        return self._h5.h5d.create(self._root.id, path.encode(), kind, space, options, self._links)

    def _type(self, dtype: np.dtype[Any], *, in_memory: bool = False) -> Any:
        """Returns the HDF5 type of a dtype; texts have one type in the file and another in memory (an object)."""
        key = dtype, in_memory
        kind = self._types.get(key)
        if kind is None:
            kind = self._types[key] = self._h5.h5t.py_create(dtype, logical=not in_memory)
        return kind

    def _space(self, shape: tuple[int, ...]) -> Any:
        space = self._spaces.get(shape)
        if space is None:
            space = self._spaces[shape] = self._h5.h5s.create_simple(shape)
        return space

    def _options(self) -> Any:
        """Returns options with which creating a dataset allocates its space without filling it."""
        h5 = self._h5
        options = h5.h5p.create(h5.h5p.DATASET_CREATE)
        options.set_alloc_time(h5.h5d.ALLOC_TIME_EARLY)
        options.set_fill_time(h5.h5d.FILL_TIME_NEVER)
        options.set_obj_track_times(False)
        return options
