"""Writing a state file: structure, data and commit record into a new file, which is then read back and verified
while it goes to the disk."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ... import dtypes
from ...errors import TfgError, invalid
from . import chunks, commit_record, paths
from .commit_record import COMMIT, LARGEST_RATIO, SEAL, SEAL_SIZE, CommitRecord, Dataset, Piece
from .encodings import encode
from .state_reader import StateReader
from .structure import Structure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ...tensors import Array
    from ..entries import Slice
    from ..slices import Region
    from .chunks import Grid
    from .encodings import Encoding
    from .paths import Origin


class Item(NamedTuple):
    """A dataset to write. ``values`` returns any box of the tensor; ``part`` is set for a part of a tensor of shape
    ``whole``."""

    origin: Origin
    form: Encoding
    values: Callable[[Region], Array]
    part: Slice | None = None
    whole: tuple[int, ...] = ()


def write_new(
    path: Path,
    items: Sequence[Item],
    resources: Sequence[tuple[str, str, str]],
    notes: Mapping[str, Any],
    *,
    compress: bool,
    called: Path,
) -> None:
    """Fills an empty file, and returns when it has been verified and is on the disk. ``called`` is the name that
    it is going to have, for messages.

    Raises OSError where it cannot be written, TfgError DATA_LOSS where it does not read back.
    """
    file = os.open(path, os.O_RDWR)
    try:
        _write(file, items, CommitRecord((), tuple(resources), notes, 0, 0), compress)
        with ThreadPoolExecutor(1, "flush") as pool:
            flushed = pool.submit(os.fsync, file)
            with StateReader(path, called=called) as reader:
                reader.verify()
            flushed.result()
    finally:
        os.close(file)


def _write(file: int, items: Sequence[Item], draft: CommitRecord, compress: bool) -> None:
    where = paths.dataset_paths(item.origin for item in items)
    with Structure(file) as structure:
        seal_at = structure.line(SEAL, SEAL_SIZE)
        ordered = sorted(items, key=lambda item: where[item.origin])
        datasets = tuple(_write_item(structure, file, where[i.origin], i, compress) for i in ordered)
        # The numbers that are not known yet are given room.
        draft = replace(draft, datasets=datasets, size=(1 << 63) - 1, structure=(1 << 32) - 1)
        room = len(draft.encode())
        commit_at = structure.line(COMMIT, room)
    made = replace(draft, size=os.fstat(file).st_size)
    gaps = made.gaps([(seal_at, SEAL_SIZE), (commit_at, room)])
    text = replace(made, structure=chunks.scan_all(file, gaps)).encode().ljust(room)
    chunks.write_all(file, commit_at, text)
    chunks.write_all(file, seal_at, commit_record.seal(commit_at, text))


def _write_item(structure: Structure, file: int, path: str, item: Item, compress: bool) -> Dataset:
    form = item.form
    grid = chunks.chunk_grid(form.stored_shape, form.stored_type.itemsize, compress=compress)
    compressed = compress and bool(grid.chunks)
    made, addresses = structure.dataset(path, form.stored_type, grid, compress=compressed)
    written: tuple[Piece, ...]
    if compressed:
        written = _write_compressed(structure, made, item, grid)
    else:
        written = tuple(
            Piece(address, data.nbytes, chunks.write(file, address, chunks.octets(data)))
            for address, (_, data) in zip(addresses, _stored(item, grid))
        )
    dataset = Dataset(path, item.origin, form, grid, compressed, written, item.part, item.whole)
    structure.describe(made, _attributes(dataset))
    return dataset


def _stored(item: Item, grid: Grid) -> Iterator[tuple[Region, Array]]:
    """Every piece as it is stored. Raises INVALID_ARGUMENT for a number that has no place in its form."""
    try:
        yield from _encoded(item, grid)
    except TfgError as error:
        raise invalid(f"{item.origin.name!r}: {error.message}", hint=error.hint) from error


def _encoded(item: Item, grid: Grid) -> Iterator[tuple[Region, Array]]:
    form = item.form
    if form.dtype is dtypes.string or form.stored_shape != form.shape:
        everything = tuple(slice(0, size) for size in form.shape)
        whole = encode(item.values(everything), form).reshape(form.stored_shape)
        yield from ((box, np.ascontiguousarray(whole[box])) for box in grid.boxes())
        return
    for box in grid.boxes():
        yield box, encode(item.values(box), form)


def _write_compressed(structure: Structure, made: Any, item: Item, grid: Grid) -> tuple[Piece, ...]:
    itemsize = item.form.stored_type.itemsize
    room = int(np.prod(grid.chunks)) * itemsize
    per_byte = item.form.dtype.size / itemsize if item.form.dtype is not dtypes.string else 1

    def filtered(stored: tuple[Region, Array]) -> tuple[Array, bytes]:
        data = _filled(chunks.octets(stored[1]), room)
        return data, chunks.compress_chunk(data, itemsize)

    lengths: list[tuple[int, int]] = []
    claimed = held = 0
    for (box, _), (plain, small) in chunks.in_order(filtered, _stored(item, grid)):
        claimed += int(room * per_byte)
        # So that no reader has to take the file for one that claims more than it holds.
        is_plain = len(small) >= room or (held + len(small)) * LARGEST_RATIO < claimed
        data = plain if is_plain else np.frombuffer(small, np.uint8)
        structure.write_chunk(made, box, data, plain=is_plain)
        lengths.append((data.nbytes, chunks.checksum(data)))
        held += data.nbytes
    return tuple(Piece(address, *rest) for address, rest in zip(structure.addresses(made, grid), lengths))


def _filled(data: Array, room: int) -> Array:
    """A last chunk's data with what is missing to a whole chunk."""
    return data if data.nbytes == room else np.concatenate([data, np.zeros(room - data.nbytes, np.uint8)])


def _attributes(dataset: Dataset) -> dict[str, Any]:
    """Returns the attributes that describe the dataset to other programs."""
    origin, form = dataset.origin, dataset.form
    checksums = np.array([piece.checksum for piece in dataset.pieces], np.uint32)
    found: dict[str, Any] = {
        "name": paths.printable(origin.name[: paths.LONGEST]),
        "kind": origin.kind,
        "dtype": form.dtype.name,
        "shape": np.array(form.shape, np.int64),
        "checksum": checksums if dataset.grid.chunks else checksums[:1].sum(dtype=np.uint32),
    }
    if form.encoding:
        found["encoding"] = form.encoding
    if origin.container:
        found["container"] = paths.printable(origin.container[: paths.LONGEST])
    if not origin.is_variable:
        found["field"] = paths.printable(origin.field[: paths.LONGEST])
    if dataset.part is not None:
        found["slice"], found["full_shape"] = origin.part, np.array(dataset.whole, np.int64)
    return found
