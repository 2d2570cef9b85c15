"""The commit record of a state file: which datasets there are, where their bytes lie, and their checksums.

The record is a dataset of JSON, ``/:commit``. The very first dataset of the file, ``/:checkpoint``, is one line that
gives the format, where the record lies, and its SHA-256; it is found without reading HDF5's own structure, which
a checksum in the record covers. So every byte of the file is proven, and none of it is interpreted by a C library
before it is.
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

# A file may be read into this many times its own size, and what takes no more than ``_HARMLESS`` into any.
LARGEST_RATIO = 200
_HARMLESS = 64 << 20

# What HDF5 may need beside the data: for itself, and for each dataset and its names.
_STRUCTURE, _STRUCTURE_EACH = 1 << 24, 1 << 16


class Piece(NamedTuple):
    """The position of a piece in the file, and its CRC-32C."""

    address: int
    length: int
    checksum: int


@dataclass(frozen=True)
class Dataset:
    """A tensor in the file. ``part`` says which part of a variable of shape ``whole`` it is, if it is one."""

    path: str
    origin: Origin
    form: Encoding
    grid: Grid
    compressed: bool
    pieces: tuple[Piece, ...]
    part: Slice | None = None
    whole: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """The bytes that it takes in the file."""
        return sum(piece.length for piece in self.pieces)

    def expected_length(self, box: Region) -> int:
        """Of the piece in this place, uncompressed: a compressed dataset's chunks are all of one size."""
        shape = self.grid.chunks if self.compressed else shape_of(box)
        return prod(shape) * self.form.stored_type.itemsize


@dataclass(frozen=True)
class CommitRecord:
    """The contents of a file. ``structure`` is the checksum of all bytes outside data and record."""

    datasets: tuple[Dataset, ...]
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
        """The (address, length) of what lies between the data and these other extents.

        Raises ValueError where two pieces overlap or one ends beyond the file.
        """
        taken = sorted(
            [*extents, *((piece.address, piece.length) for d in self.datasets for piece in d.pieces)]
        )
        ends = [(0, 0), *taken, (self.size, 0)]
        found: list[tuple[int, int]] = []
        for (address, length), (following, _) in pairwise(ends):
            if address + length > following:
                raise ValueError(f"the bytes at {following} are claimed twice or lie beyond the end")
            if address + length < following:
                found.append((address + length, following - address - length))
        return found


def seal(address: int, text: bytes) -> bytes:
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
    found = _SEAL.search(head)
    if found is None:
        return None
    version, address, length, digest = found.groups()
    return Seal(found.start(), int(version), int(address or 0), int(length or 0), (digest or b"").decode())


def decode(text: bytes) -> CommitRecord:
    """A record from its bytes. Raises ValueError, TypeError or KeyError for one that makes no sense, naming the
    dataset where that is known."""
    made = json.loads(text)
    datasets = tuple(_from_json(item) for item in made["datasets"])
    if len({dataset.path for dataset in datasets}) != len(datasets):
        raise ValueError("two datasets of one path")
    resources = tuple((_text(c), _text(k), _text(n)) for c, k, n in made["resources"])
    record = CommitRecord(
        datasets, resources, dict(made["notes"]), _number(made["size"]), _number(made["structure"])
    )
    _check_structure(record, len(text))
    return record


def claimed(dataset: Dataset) -> int:
    """The bytes of memory that a dataset takes."""
    dtype = dataset.form.dtype
    return dataset.form.stored_bytes if dtype is dtypes.string else prod(dataset.form.shape) * dtype.size


def claims_too_much(record: CommitRecord) -> Dataset | None:
    """The dataset from which on the file would take far more memory than it has bytes for."""
    total, limit = 0, max(_HARMLESS, LARGEST_RATIO * record.size)
    for dataset in record.datasets:
        total += claimed(dataset)
        if total > limit:
            return dataset
    return None


def _check_structure(record: CommitRecord, length: int) -> None:
    """Raises ValueError for too many bytes outside data and record, which are read at once."""
    rest = record.size - length - sum(dataset.size for dataset in record.datasets)
    if rest > _STRUCTURE + record.size // 2 + _STRUCTURE_EACH * len(record.datasets):
        raise ValueError(f"{rest} bytes of it belong to nothing")


def _to_json(dataset: Dataset) -> dict[str, Any]:
    container, kind, name, field, part = dataset.origin
    form = dataset.form
    optional = {
        "chunks": dataset.grid.chunks,
        "compressed": dataset.compressed,
        "kept": form.kept.name if form.kept is not form.dtype else "",
        "packed": form.packed,
        "part": dataset.part,
        "room": form.room,
        "slice": part,
        "whole": dataset.whole if dataset.part is not None else None,
    }
    return {
        "path": dataset.path,
        "container": container,
        "kind": kind,
        "name": name,
        "field": field,
        "dtype": form.dtype.name,
        "shape": form.shape,
        "pieces": dataset.pieces,
        **{key: value for key, value in optional.items() if value not in (None, False, 0, "", ())},
        **({"whole": dataset.whole} if dataset.part is not None else {}),
    }


def _from_json(item: Any) -> Dataset:
    path = _text(item["path"])
    try:
        return _dataset(path, item)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"dataset {path!r}: {error}") from error


def _dataset(path: str, item: Any) -> Dataset:
    container, kind, name, field = (_text(item[key]) for key in ("container", "kind", "name", "field"))
    origin = Origin(container, kind, name, field, _text(item.get("slice", "")))
    dtype = dtypes.BY_NAME[item["dtype"]]
    kept = dtypes.BY_NAME[item.get("kept", dtype.name)]
    form = Encoding(
        dtype, _dims(item["shape"]), kept, _number(item.get("room", 0)), _number(item.get("packed", 0))
    )
    part = None
    if "part" in item:
        starts, lengths = item["part"]
        part = Slice(_dims(starts), _dims(lengths, least=-1))
    dataset = Dataset(
        path,
        origin,
        form,
        Grid(form.stored_shape, _dims(item.get("chunks", ()), least=1)),
        item.get("compressed", False) is True,
        tuple(Piece(_number(a), _number(n), _number(c)) for a, n, c in item["pieces"]),
        part,
        _dims(item["whole"]) if part is not None else (),
    )
    _check_form(dataset)
    _check_pieces(dataset)
    return dataset


def _check_form(dataset: Dataset) -> None:
    form = dataset.form
    if form.dtype.is_ref or form.dtype in (dtypes.resource, dtypes.variant):
        raise ValueError(f"of dtype {form.dtype.name}")
    if form.kept is not form.dtype and not (
        form.dtype in (dtypes.float32, dtypes.float64) and form.kept in (dtypes.float16, dtypes.bfloat16)
    ):
        raise ValueError(f"{form.dtype.name} kept as {form.kept.name}")
    if (form.dtype is dtypes.string) != bool(form.room or form.packed) or (form.room and form.packed):
        raise ValueError("strings without a size, or another type with one")
    if dataset.part is not None and not _lies_within(dataset.part, form.shape, dataset.whole):
        raise ValueError("a part that does not lie in its whole")


def _lies_within(part: Slice, shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    try:
        return shape_of(region_of(part, whole)) == shape
    except TfgError:
        return False


def _check_pieces(dataset: Dataset) -> None:
    grid = dataset.grid
    if grid.chunks:
        if len(grid.chunks) != len(grid.shape) or not all(c <= n for c, n in zip(grid.chunks, grid.shape)):
            raise ValueError(f"chunks of {list(grid.chunks)}")
        if not grid.is_runs:
            raise ValueError(f"chunks of {list(grid.chunks)}")
    if dataset.compressed and not grid.chunks:
        raise ValueError("compressed, but not in chunks")
    if grid.pieces != len(dataset.pieces):
        raise ValueError(f"{len(dataset.pieces)} pieces where there should be {grid.pieces}")
    for box, piece in zip(grid.boxes(), dataset.pieces):
        most = dataset.expected_length(box)
        if piece.length > most or (piece.length != most and not dataset.compressed):
            raise ValueError(f"claims {most} bytes where it holds {piece.length}")


def _dims(value: Any, least: int = 0) -> tuple[int, ...]:
    dims = tuple(_number(size, least) for size in value)
    if len(dims) > 64:
        raise ValueError(f"{len(dims)} dimensions")
    return dims


def _number(value: Any, least: int = 0) -> int:
    if type(value) is not int or not least <= value < 1 << 63:
        raise ValueError(f"{value!r:.40} is no size")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no name")
    return value
