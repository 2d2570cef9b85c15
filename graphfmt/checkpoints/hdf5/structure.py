"""The structure of an HDF5 file around data that HDF5 never touches: h5py makes the folders, the datasets and
their attributes, and says at which addresses the data is to lie.

h5py holds Python's lock whatever it does, so large amounts of data do not go through it.
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

# Data that fills pages begins on one.
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
        """h5py knows a file by this, and then calls ``readinto``."""
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
    """h5py closes HDF5 when Python ends, which would wait forever for a thread that is in here then."""

    def wait() -> None:
        for done in list(_unfinished):
            done.wait()

    atexit.register(wait)


class Structure:
    """A new HDF5 file over an open, empty one. Datasets have their addresses as soon as they are made."""

    def __init__(self, file: int) -> None:
        import h5py

        # After h5py has asked to be told of the end, and so before it is told.
        _end_in_order()
        self._done = Event()
        self._disk = _Disk(file)
        self._h5 = h5py
        # The earliest layout keeps no times, so equal contents are equal files.
        self._root = h5py.File(
            self._disk, "w", libver="earliest", alignment_threshold=_ALIGNED, alignment_interval=_PAGE
        )
        self._links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
        self._links.set_create_intermediate_group(True)
        self._links.set_char_encoding(h5py.h5t.CSET_UTF8)
        # Made once: that takes longer than to use them.
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
                # The first to open a file for changes makes notes in it that stay the same from then on.
                self._h5.File(self._disk, "r+").close()
        finally:
            _unfinished.discard(self._done)
            self._done.set()
            if self._disk.error is not None:
                raise self._disk.error

    def line(self, path: str, size: int) -> int:
        """A dataset of one text of so many bytes; returns the address where they are to be written."""
        dataset = self._create(path, np.dtype(f"S{size}"), (), self._plain)
        return int(dataset.get_offset())

    def dataset(
        self, path: str, stored_type: np.dtype[Any], grid: Grid, *, compress: bool = False
    ) -> tuple[Any, list[int]]:
        """A dataset, and the addresses of its pieces in the order of ``grid.boxes()``; a compressed one's are known
        once they are written (``write_chunk``, ``addresses``)."""
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
        """A compressed dataset's next chunk, filtered already, or left ``plain``."""
        dataset.write_direct_chunk(
            tuple(side.start for side in box), data.data, filter_mask=0b11 if plain else 0
        )

    def addresses(self, dataset: Any, grid: Grid) -> list[int]:
        if not grid.chunks:
            return [int(dataset.get_offset())]
        found: dict[tuple[int, ...], int] = {}

        def note(info: Any) -> None:
            found[tuple(info.chunk_offset)] = int(info.byte_offset)

        dataset.chunk_iter(note)
        return [found[tuple(side.start for side in box)] for box in grid.boxes()]

    def describe(self, dataset: Any, attributes: dict[str, Any]) -> None:
        """Attributes: texts, numbers and rows of numbers."""
        for name, value in attributes.items():
            array = np.array(value.encode(), self._text) if isinstance(value, str) else np.asarray(value)
            kind = self._type(array.dtype)
            made = self._h5.h5a.create(dataset, name.encode(), kind, self._space(array.shape))
            if array.size:
                made.write(array, self._type(array.dtype, in_memory=True))

    def _create(self, path: str, stored_type: np.dtype[Any], shape: tuple[int, ...], options: Any) -> Any:
        kind, space = self._type(stored_type), self._space(shape)
        return self._h5.h5d.create(self._root.id, path.encode(), kind, space, options, self._links)

    def _type(self, dtype: np.dtype[Any], *, in_memory: bool = False) -> Any:
        """HDF5's name for a dtype; a text's is another in the file than in memory, where it is an object."""
        key = dtype, in_memory
        made = self._types.get(key)
        if made is None:
            made = self._types[key] = self._h5.h5t.py_create(dtype, logical=not in_memory)
        return made

    def _space(self, shape: tuple[int, ...]) -> Any:
        made = self._spaces.get(shape)
        if made is None:
            made = self._spaces[shape] = self._h5.h5s.create_simple(shape)
        return made

    def _options(self) -> Any:
        """Space is taken when a dataset is made, and not filled."""
        h5 = self._h5
        options = h5.h5p.create(h5.h5p.DATASET_CREATE)
        options.set_alloc_time(h5.h5d.ALLOC_TIME_EARLY)
        options.set_fill_time(h5.h5d.FILL_TIME_NEVER)
        options.set_obj_track_times(False)
        return options
