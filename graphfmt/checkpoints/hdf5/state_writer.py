"""Writes state files: structure, data and commit record to a new file, which is then read and verified while the
system flushes it to the disk."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ... import dtypes
from ...errors import TfgError, invalid
from . import chunks, commit_record, paths
from .commit_record import COMMIT, LARGEST_RATIO, SEAL, SEAL_SIZE, CommitRecord, DatasetRecord, Piece
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
    encoding: Encoding
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
    """Fills an empty file, verifies it and flushes it to the disk. ``called`` is its later name, for messages.

    Raises OSError if it cannot be written, DATA_LOSS if it does not verify.
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
        # Reserves space for the record with the longest size and checksum, which are not known yet.
        draft = replace(draft, datasets=datasets, size=(1 << 63) - 1, structure=(1 << 32) - 1)
        room = len(draft.encode())
        commit_at = structure.line(COMMIT, room)
    record = replace(draft, size=os.fstat(file).st_size)
    gaps = record.gaps([(seal_at, SEAL_SIZE), (commit_at, room)])
    text = replace(record, structure=chunks.scan_all(file, gaps)).encode().ljust(room)
    chunks.write_all(file, commit_at, text)
    chunks.write_all(file, seal_at, commit_record.seal_bytes(commit_at, text))


def _write_item(structure: Structure, file: int, path: str, item: Item, compress: bool) -> DatasetRecord:
    encoding = item.encoding
    grid = chunks.chunk_grid(encoding.stored_shape, encoding.stored_type.itemsize, compress=compress)
    compressed = compress and bool(grid.chunks)
    stored, addresses = structure.dataset(path, encoding.stored_type, grid, compress=compressed)
    pieces: tuple[Piece, ...]
    if compressed:
        pieces = _write_compressed(structure, stored, item, grid)
    else:
        pieces = tuple(
            Piece(address, data.nbytes, chunks.write(file, address, chunks.octets(data)))
            for address, (_, data) in zip(addresses, _pieces(item, grid))
        )
    dataset = DatasetRecord(path, item.origin, encoding, grid, compressed, pieces, item.part, item.whole)
    structure.describe(stored, _attributes(dataset))
    return dataset


def _pieces(item: Item, grid: Grid) -> Iterator[tuple[Region, Array]]:
    """Yields every piece in its stored form. Raises INVALID_ARGUMENT for a number that 16 bits cannot represent."""
    try:
        yield from _encoded(item, grid)
    except TfgError as error:
        raise invalid(f"{item.origin.name!r}: {error.message}", hint=error.hint) from error


def _encoded(item: Item, grid: Grid) -> Iterator[tuple[Region, Array]]:
    encoding = item.encoding
    if encoding.dtype is dtypes.string or encoding.stored_shape != encoding.shape:
        everything = tuple(slice(0, size) for size in encoding.shape)
        whole = encode(item.values(everything), encoding).reshape(encoding.stored_shape)
        yield from ((box, np.ascontiguousarray(whole[box])) for box in grid.boxes())
        return
    for box in grid.boxes():
        yield box, encode(item.values(box), encoding)


def _write_compressed(structure: Structure, stored: Any, item: Item, grid: Grid) -> tuple[Piece, ...]:
    itemsize = item.encoding.stored_type.itemsize
    room = int(np.prod(grid.chunks)) * itemsize
    per_byte = item.encoding.dtype.size / itemsize if item.encoding.dtype is not dtypes.string else 1

    def compress(piece: tuple[Region, Array]) -> tuple[Array, bytes]:
        data = _filled(chunks.octets(piece[1]), room)
        return data, chunks.compress_chunk(data, itemsize)

    lengths: list[tuple[int, int]] = []
    claimed = held = 0
    for (box, _), (plain, small) in chunks.in_order(compress, _pieces(item, grid)):
        claimed += int(room * per_byte)
        # A chunk that compresses too well is stored plain, so that the reader's memory limit accepts the file.
        is_plain = len(small) >= room or (held + len(small)) * LARGEST_RATIO < claimed
        data = plain if is_plain else np.frombuffer(small, np.uint8)
        structure.write_chunk(stored, box, data, plain=is_plain)
        lengths.append((data.nbytes, chunks.checksum(data)))
        held += data.nbytes
    return tuple(Piece(address, *rest) for address, rest in zip(structure.addresses(stored, grid), lengths))


def _filled(data: Array, room: int) -> Array:
    """Returns the data of a chunk, with zeros up to the length of a whole chunk."""
    return data if data.nbytes == room else np.concatenate([data, np.zeros(room - data.nbytes, np.uint8)])


def _attributes(dataset: DatasetRecord) -> dict[str, Any]:
    """Returns the attributes that describe the dataset to other programs."""
    origin, encoding = dataset.origin, dataset.encoding
    checksums = np.array([piece.checksum for piece in dataset.pieces], np.uint32)
    attributes: dict[str, Any] = {
        "name": paths.printable(origin.name[: paths.LONGEST]),
        "kind": origin.kind,
        "dtype": encoding.dtype.name,
        "shape": np.array(encoding.shape, np.int64),
        "checksum": checksums if dataset.grid.chunks else checksums[:1].sum(dtype=np.uint32),
    }
    if encoding.description:
        attributes["encoding"] = encoding.description
    if origin.container:
        attributes["container"] = paths.printable(origin.container[: paths.LONGEST])
    if not origin.is_variable:
        attributes["field"] = paths.printable(origin.field[: paths.LONGEST])
    if dataset.part is not None:
        attributes["slice"], attributes["full_shape"] = origin.part, np.array(dataset.whole, np.int64)
    return attributes
