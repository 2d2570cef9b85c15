"""Reads state files without HDF5, by the addresses in the commit record, and returns verified bytes only.

HDF5's library follows links out of the file, runs filters, and crashes on some damaged files. This reader interprets
only the commit record, whose SHA-256 the file states. It refuses files that another program has changed.
"""

from __future__ import annotations

import hashlib
import os
from functools import cached_property
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import dtypes
from ...errors import Location, Status, TfgError
from ...files import check_regular, file_error
from ..entries import TensorEntry
from ..slices import assemble, intersection, region_of, shape_of
from . import chunks, commit_record
from .commit_record import FORMAT, SEAL_SIZE, bytes_in_memory
from .encodings import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from ...tensors import Array
    from ..entries import Slice
    from ..slices import Region
    from .commit_record import CommitRecord, DatasetRecord

_HDF5 = b"\x89HDF\r\n\x1a\n"
# The position of the file length in HDF5's superblock, of the versions that tfg writes.
_END = slice(40, 48)
# The first dataset lies within ``_HEAD`` bytes.
_HEAD, _LONGEST_RECORD = 1 << 14, 1 << 28


class StateReader:
    """An open state file; see ``entries.CheckpointReader``. Variables of other containers than the default one are the
    tensors ``container:name``.

    Args:
        called: the path to show in messages, if it is another one.

    Raises NOT_FOUND if there is no file, INVALID_ARGUMENT for another program's file or another format version,
    DATA_LOSS for a file that does not verify.
    """

    def __init__(self, path: Path | str, *, called: Path | str | None = None) -> None:
        self.path = str(called or path)
        check_regular(Path(path))
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except (OSError, ValueError) as error:
            raise file_error(error, "read", self.path) from error
        try:
            self.record = self._open()
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> StateReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    @property
    def notes(self) -> Mapping[str, Any]:
        return self.record.notes

    @property
    def datasets(self) -> tuple[DatasetRecord, ...]:
        """The datasets with data, ordered by path."""
        return self.record.datasets

    @property
    def entries(self) -> Mapping[str, TensorEntry]:
        """The variables by name; see ``entries.CheckpointReader``."""
        return self._entries

    @cached_property
    def _entries(self) -> Mapping[str, TensorEntry]:
        return {name: _entry(datasets) for name, datasets in sorted(self._variables.items())}

    @cached_property
    def _variables(self) -> dict[str, list[DatasetRecord]]:
        variables: dict[str, list[DatasetRecord]] = {}
        for dataset in self.record.datasets:
            container, _, name, *_ = dataset.origin
            if dataset.origin.is_variable:
                variables.setdefault(f"{container}:{name}" if container else name, []).append(dataset)
        return variables

    def read(self, name: str, part: Slice | None = None) -> Array:
        """Reads a variable, or a part of it; see ``entries.CheckpointReader``."""
        datasets = self._variables.get(name)
        if datasets is None:
            raise self._refused(Status.NOT_FOUND, f"holds no tensor {name!r}")
        entry = self.entries[name]
        wanted = region_of(part, entry.shape) if part is not None else None
        if not entry.slices:
            return self.array(datasets[0], wanted)
        regions = [region_of(piece, entry.shape) for piece in entry.slices]
        return assemble(
            entry.dtype,
            wanted or region_of(None, entry.shape),
            regions,
            lambda place: lambda target: np.copyto(target, self.array(datasets[place])),
        )

    def array(self, dataset: DatasetRecord, wanted: Region | None = None) -> Array:
        """Reads the tensor of a dataset, or a box of it; of chunks only those that intersect the box."""
        encoding = dataset.encoding
        try:
            if encoding.dtype is dtypes.string or encoding.stored_shape != encoding.shape:
                whole = decode(self._stored(dataset), encoding).reshape(encoding.shape)
                return whole if wanted is None else whole[(*wanted, ...)]
            if wanted is None and encoding.kept is encoding.dtype:
                return decode(self._stored(dataset), encoding)
            return self._assembled(dataset, wanted or region_of(None, encoding.shape))
        except (EOFError, ValueError) as error:
            raise self._faulty(dataset, str(error)) from error

    def _stored(self, dataset: DatasetRecord) -> Array:
        """Reads a dataset in its stored form."""
        encoding = dataset.encoding
        target = np.empty(encoding.stored_shape, encoding.stored_type)
        octets, begin = chunks.octets(target), 0
        shares: list[tuple[int, Array]] = []
        for number, box in enumerate(dataset.grid.boxes()):
            length = prod(shape_of(box)) * encoding.stored_type.itemsize
            shares.append((number, octets[begin : begin + length]))
            begin += length
        chunks.in_threads(lambda share: self._fill(dataset, *share), shares)
        return target

    def _assembled(self, dataset: DatasetRecord, wanted: Region) -> Array:
        encoding = dataset.encoding
        target = np.empty(shape_of(wanted), encoding.dtype.numpy)

        def fill(share: tuple[int, Region, Region]) -> None:
            number, box, common = share
            stored = np.empty(shape_of(box), encoding.stored_type)
            self._fill(dataset, number, chunks.octets(stored))
            target[chunks.within(common, wanted)] = decode(stored, encoding)[chunks.within(common, box)]

        shares = [
            (number, box, common)
            for number, box in enumerate(dataset.grid.boxes())
            if (common := intersection(box, wanted)) is not None
        ]
        chunks.in_threads(fill, shares)
        return target

    def _fill(self, dataset: DatasetRecord, number: int, target: Array) -> None:
        """Reads a piece. Raises ValueError if it does not verify, EOFError if the file is too short."""
        piece = dataset.pieces[number]
        packed = dataset.compressed
        data = np.empty(piece.length, np.uint8) if packed else target
        if chunks.read(self._file, piece.address, data) != piece.checksum:
            raise ValueError("it does not match its checksum")
        if packed:
            room = prod(dataset.grid.chunks) * dataset.encoding.stored_type.itemsize
            if piece.length != room:
                data = chunks.decompress_chunk(data, dataset.encoding.stored_type.itemsize, room)
            target[:] = data[: target.nbytes]

    def verify(self) -> None:
        """Reads all data. Raises the first of ``faults``."""
        for fault in self.faults():
            raise fault

    def faults(self) -> Iterator[TfgError]:
        """Yields an error for each dataset that does not verify."""
        scratch = np.empty(chunks.STRIDE, np.uint8)
        for dataset in self.record.datasets:
            try:
                for piece in dataset.pieces:
                    if chunks.scan(self._file, piece.address, piece.length, scratch) != piece.checksum:
                        raise ValueError("it does not match its checksum")
            except (EOFError, ValueError) as error:
                yield self._faulty(dataset, str(error))

    def _open(self) -> CommitRecord:
        record = self._guarded(self._find_record)
        if dataset := commit_record.first_beyond_limit(record):
            raise self._refused(
                Status.RESOURCE_EXHAUSTED,
                f"claims {bytes_in_memory(dataset)} bytes of memory for dataset {dataset.path!r}, which has"
                f" {dataset.size} bytes in the file",
            )
        return record

    def _find_record(self) -> CommitRecord:
        head = os.pread(self._file, _HEAD, 0)
        if not head.startswith(_HDF5):
            raise self._refused(Status.DATA_LOSS, "is not an HDF5 file, or its beginning is damaged")
        seal = commit_record.find_seal(head)
        if seal is None:
            raise self._foreign(head)
        if seal.format != FORMAT:
            raise self._refused(
                Status.INVALID_ARGUMENT,
                f"has format {seal.format}; this version of tfg reads format {FORMAT}",
            )
        text = self._record_text(seal, head)
        if hashlib.sha256(text).hexdigest() != seal.sha256:
            raise self._refused(Status.DATA_LOSS, "has a commit record that does not match its checksum")
        record = commit_record.decode(text)
        if os.fstat(self._file).st_size != record.size:
            raise self._changed(head, f"does not have the {record.size} bytes that were committed")
        gaps = record.gaps([(seal.place, SEAL_SIZE), (seal.address, seal.length)])
        if chunks.scan_all(self._file, gaps) != record.structure:
            raise self._refused(
                Status.DATA_LOSS, "does not have the structure that was committed: it is changed or damaged"
            )
        if head[seal.place :][:SEAL_SIZE] != commit_record.seal_bytes(seal.address, text):
            raise self._refused(Status.DATA_LOSS, "has a damaged first dataset")
        return record

    def _foreign(self, head: bytes) -> TfgError:
        """Returns the error for a file without a seal: damaged or truncated HDF5, or a file of another program."""
        version, size = head[8:9], os.fstat(self._file).st_size
        if version in (b"", b"\0", b"\1") and not (
            size >= 96 and head[13:15] == b"\x08\x08" and int.from_bytes(head[_END], "little") <= size
        ):
            return self._refused(Status.DATA_LOSS, f"is a damaged HDF5 file, or truncated to {size} bytes")
        return self._refused(Status.INVALID_ARGUMENT, "is an HDF5 file, but not a state file of tfg")

    def _changed(self, head: bytes, how: str) -> TfgError:
        """Returns the error for a file of another length; HDF5's superblock has that length if a program wrote it."""
        if int.from_bytes(head[_END], "little") == os.fstat(self._file).st_size:
            how = "was written by another program since it was committed, such as a notebook or h5repack"
        return self._refused(Status.DATA_LOSS, how)

    def _record_text(self, seal: commit_record.Seal, head: bytes) -> bytes:
        size = os.fstat(self._file).st_size
        if not seal.sha256:
            raise self._refused(Status.DATA_LOSS, "has a damaged first dataset")
        if seal.address + seal.length > size:
            raise self._changed(head, f"is truncated to {size} bytes")
        if seal.length > _LONGEST_RECORD:
            raise self._refused(Status.DATA_LOSS, f"has a commit record of {seal.length} bytes")
        return os.pread(self._file, seal.length, seal.address)

    def _guarded(self, find: Callable[[], CommitRecord]) -> CommitRecord:
        try:
            return find()
        except (EOFError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise self._refused(Status.DATA_LOSS, f"has an invalid commit record: {error}") from error
        except OSError as error:
            raise file_error(error, "read", self.path) from error

    def _faulty(self, dataset: DatasetRecord, why: str) -> TfgError:
        return self._refused(Status.DATA_LOSS, f"has a damaged dataset {dataset.path!r}: {why}")

    def _refused(self, status: Status, why: str) -> TfgError:
        return TfgError(status, f"{self.path!r} {why}", location=Location(self.path))


def _entry(datasets: list[DatasetRecord]) -> TensorEntry:
    first = datasets[0]
    slices = tuple(dataset.part for dataset in datasets if dataset.part is not None)
    return TensorEntry(first.encoding.dtype, first.whole if slices else first.encoding.shape, slices)
