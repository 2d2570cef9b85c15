"""The commit record of a state file: which datasets there are, where their bytes lie, and their checksums.

The record is a dataset of JSON, ``/:commit``. The very first dataset of the file, ``/:checkpoint``, is one line that
gives the format, and the address and SHA-256 of the record. A reader searches the beginning of the file for it
without HDF5. A checksum in the record covers HDF5's own structure, so every byte of the file is verified, and no C
library interprets unverified bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from ... import dtypes
from ...errors import TfgError
from ..entries import Slice
from ..slices import Region, region_of, shape_of
from .chunks import Grid
from .encodings import Encoding
from .paths import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FORMAT = 2
SEAL, COMMIT = ":checkpoint", ":commit"
SEAL_SIZE = 192

_SEAL = re.compile(
    rb"tfg checkpoint, format (\d{1,9})(?:; commit record at (\d{1,19}), (\d{1,19}) bytes, sha256 ([0-9a-f]{64}))?"
)

# Tensors may take this many times the file's size in memory, and always ``_HARMLESS`` bytes.
LARGEST_RATIO = 200
_HARMLESS = 64 << 20

# The bytes that HDF5 may need beside the data: for itself, and for each dataset with its attributes.
_STRUCTURE, _STRUCTURE_EACH = 1 << 24, 1 << 16


class Piece(NamedTuple):
    """The position of a piece in the file, and its CRC-32C."""

    address: int
    length: int
    checksum: int


@dataclass(frozen=True)
class DatasetRecord:
    """A tensor in the file, or the ``part`` of a variable of shape ``whole``."""

    path: str
    origin: Origin
    encoding: Encoding
    grid: Grid
    compressed: bool
    pieces: tuple[Piece, ...]
    part: Slice | None = None
    whole: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """The size in the file, in bytes."""
        return sum(piece.length for piece in self.pieces)

    def expected_length(self, box: Region) -> int:
        """Returns the uncompressed bytes of the piece at ``box``; chunks of a compressed dataset have one size."""
        shape = self.grid.chunks if self.compressed else shape_of(box)
        return prod(shape) * self.encoding.stored_type.itemsize


@dataclass(frozen=True)
class CommitRecord:
    """The contents of a file. ``structure`` is the checksum of all bytes outside data and record."""

    datasets: tuple[DatasetRecord, ...]
    resources: tuple[tuple[str, str, str], ...]
    notes: Mapping[str, Any]
    size: int
    structure: int

    def encode(self) -> bytes:
        record = {
            "datasets": [_to_json(dataset) for dataset in self.datasets],
            "notes": dict(self.notes),
            "resources": self.resources,
            "size": self.size,
            "structure": self.structure,
        }
        return json.dumps(record, sort_keys=True).encode()

    def gaps(self, extents: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Returns the (address, length) of the bytes outside of the data and of ``extents``.

        Raises ValueError if extents overlap or one ends beyond the file.
        """
        taken = sorted(
            [*extents, *((piece.address, piece.length) for d in self.datasets for piece in d.pieces)]
        )
        ends = [(0, 0), *taken, (self.size, 0)]
        gaps: list[tuple[int, int]] = []
        for (address, length), (following, _) in pairwise(ends):
            if address + length > following:
                raise ValueError(f"the bytes at {following} are claimed twice or lie beyond the end")
            if address + length < following:
                gaps.append((address + length, following - address - length))
        return gaps


def seal_bytes(address: int, text: bytes) -> bytes:
    """Returns the first dataset for a commit record ``text`` at an address."""
    line = (
        f"tfg checkpoint, format {FORMAT}; commit record at {address}, {len(text)} bytes,"
        f" sha256 {hashlib.sha256(text).hexdigest()}"
    )
    return line.encode().ljust(SEAL_SIZE, b"\0")


class Seal(NamedTuple):
    """The first dataset: its position, the format, and the position and SHA-256 of the record."""

    place: int
    format: int
    address: int
    length: int
    sha256: str


def find_seal(head: bytes) -> Seal | None:
    """Searches the beginning of a file for the first dataset."""
    match = _SEAL.search(head)
    if match is None:
        return None
    version, address, length, digest = match.groups()
    return Seal(match.start(), int(version), int(address or 0), int(length or 0), (digest or b"").decode())


def decode(text: bytes) -> CommitRecord:
    """Parses a commit record. Raises ValueError, TypeError or KeyError for an inconsistent one; the message names the
    dataset, if it is known."""
    fields = json.loads(text)
    datasets = tuple(_from_json(item) for item in fields["datasets"])
    if len({dataset.path for dataset in datasets}) != len(datasets):
        raise ValueError("two datasets have the same path")
    resources = tuple((_text(c), _text(k), _text(n)) for c, k, n in fields["resources"])
    record = CommitRecord(
        datasets, resources, dict(fields["notes"]), _number(fields["size"]), _number(fields["structure"])
    )
    _check_structure(record, len(text))
    return record


def bytes_in_memory(dataset: DatasetRecord) -> int:
    """Returns the bytes of memory that the tensor of a dataset takes, as the record states its shape."""
    dtype = dataset.encoding.dtype
    return (
        dataset.encoding.stored_bytes if dtype is dtypes.string else prod(dataset.encoding.shape) * dtype.size
    )


def first_beyond_limit(record: CommitRecord) -> DatasetRecord | None:
    """Returns the first dataset with which the tensors exceed the memory limit for a file of its size, or None."""
    total, limit = 0, max(_HARMLESS, LARGEST_RATIO * record.size)
    for dataset in record.datasets:
        total += bytes_in_memory(dataset)
        if total > limit:
            return dataset
    return None


def _check_structure(record: CommitRecord, length: int) -> None:
    """Raises ValueError for an implausible number of bytes outside data and record."""
    rest = record.size - length - sum(dataset.size for dataset in record.datasets)
    if rest > _STRUCTURE + record.size // 2 + _STRUCTURE_EACH * len(record.datasets):
        raise ValueError(f"{rest} bytes belong to no dataset")


def _to_json(dataset: DatasetRecord) -> dict[str, Any]:
    container, kind, name, field, part = dataset.origin
    encoding = dataset.encoding
    optional = {
        "chunks": dataset.grid.chunks,
        "compressed": dataset.compressed,
        "kept": encoding.kept.name if encoding.kept is not encoding.dtype else "",
        "packed": encoding.packed,
        "part": dataset.part,
        "room": encoding.room,
        "slice": part,
        "whole": dataset.whole if dataset.part is not None else None,
    }
    return {
        "path": dataset.path,
        "container": container,
        "kind": kind,
        "name": name,
        "field": field,
        "dtype": encoding.dtype.name,
        "shape": encoding.shape,
        "pieces": dataset.pieces,
        **{key: value for key, value in optional.items() if value not in (None, False, 0, "", ())},
        **({"whole": dataset.whole} if dataset.part is not None else {}),
    }


def _from_json(item: Any) -> DatasetRecord:
    path = _text(item["path"])
    try:
        return _dataset(path, item)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"dataset {path!r}: {error}") from error


def _dataset(path: str, item: Any) -> DatasetRecord:
    container, kind, name, field = (_text(item[key]) for key in ("container", "kind", "name", "field"))
    origin = Origin(container, kind, name, field, _text(item.get("slice", "")))
    dtype = dtypes.BY_NAME[item["dtype"]]
    kept = dtypes.BY_NAME[item.get("kept", dtype.name)]
    encoding = Encoding(
        dtype, _dims(item["shape"]), kept, _number(item.get("room", 0)), _number(item.get("packed", 0))
    )
    part = None
    if "part" in item:
        starts, lengths = item["part"]
        part = Slice(_dims(starts), _dims(lengths, least=-1))
    dataset = DatasetRecord(
        path,
        origin,
        encoding,
        Grid(encoding.stored_shape, _dims(item.get("chunks", ()), least=1)),
        item.get("compressed", False) is True,
        tuple(Piece(_number(a), _number(n), _number(c)) for a, n, c in item["pieces"]),
        part,
        _dims(item["whole"]) if part is not None else (),
    )
    _check_encoding(dataset)
    _check_pieces(dataset)
    return dataset


def _check_encoding(dataset: DatasetRecord) -> None:
    encoding = dataset.encoding
    if encoding.dtype.is_ref or encoding.dtype in (dtypes.resource, dtypes.variant):
        raise ValueError(f"dtype {encoding.dtype.name} cannot be stored")
    if encoding.kept is not encoding.dtype and not (
        encoding.dtype in (dtypes.float32, dtypes.float64)
        and encoding.kept in (dtypes.float16, dtypes.bfloat16)
    ):
        raise ValueError(f"{encoding.dtype.name} cannot be stored as {encoding.kept.name}")
    if (encoding.dtype is dtypes.string) != bool(encoding.room or encoding.packed) or (
        encoding.room and encoding.packed
    ):
        raise ValueError("strings need a size in bytes, and no other dtype has one")
    if dataset.part is not None and not _lies_within(dataset.part, encoding.shape, dataset.whole):
        raise ValueError("the slice does not lie in its variable")


def _lies_within(part: Slice, shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    try:
        return shape_of(region_of(part, whole)) == shape
    except TfgError:
        return False


def _check_pieces(dataset: DatasetRecord) -> None:
    grid = dataset.grid
    if grid.chunks:
        if len(grid.chunks) != len(grid.shape) or not all(c <= n for c, n in zip(grid.chunks, grid.shape)):
            raise ValueError(f"chunks of shape {list(grid.chunks)} in a dataset of shape {list(grid.shape)}")
        if not grid.is_runs:
            raise ValueError(f"chunks of shape {list(grid.chunks)} are not contiguous")
    if dataset.compressed and not grid.chunks:
        raise ValueError("compressed, but without chunks")
    if grid.pieces != len(dataset.pieces):
        raise ValueError(f"{len(dataset.pieces)} pieces instead of {grid.pieces}")
    for box, piece in zip(grid.boxes(), dataset.pieces):
        most = dataset.expected_length(box)
        if piece.length > most or (piece.length != most and not dataset.compressed):
            raise ValueError(f"a piece has {piece.length} bytes instead of {most}")


def _dims(value: Any, least: int = 0) -> tuple[int, ...]:
    dims = tuple(_number(size, least) for size in value)
    if len(dims) > 64:
        raise ValueError(f"{len(dims)} dimensions")
    return dims


def _number(value: Any, least: int = 0) -> int:
    if type(value) is not int or not least <= value < 1 << 63:
        raise ValueError(f"{value!r:.40} is not a size")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not a string")
    return value
