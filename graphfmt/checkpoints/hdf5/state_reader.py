"""Reading a state file: without HDF5, by the addresses in its commit record, and nothing that does not verify.

HDF5's library follows links out of the file, runs filters, and has crashed on damaged files; here nothing is
interpreted but a record with a SHA-256. A file that another program has changed is refused, for it is not what
was committed.
"""

from __future__ import annotations

import hashlib
import os
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import dtypes
from ...errors import Location, Status, TfgError
from ...files import file_error
from ..entries import TensorEntry
from ..slices import assemble, intersection, region_of, shape_of
from . import chunks, commit_record
from .commit_record import FORMAT, SEAL_SIZE, claimed
from .encodings import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from ...tensors import Array
    from ..entries import Slice
    from ..slices import Region
    from .commit_record import CommitRecord, Dataset

_HDF5 = b"\x89HDF\r\n\x1a\n"
# Where the versions of HDF5's first record that tfg writes have the length of the file.
_END = slice(40, 48)
# The first dataset lies within so many bytes, and a record is never longer than this.
_HEAD, _LONGEST_RECORD = 1 << 14, 1 << 28


class StateReader:
    """An open state file; see ``entries.CheckpointReader``. Variables of other containers than the default one are the
    tensors ``container:name``.

    Args:
        called: what messages call it, if not by its path.

    Raises NOT_FOUND where there is no file, INVALID_ARGUMENT for another program's file or another format,
    DATA_LOSS for one that does not verify.
    """

    def __init__(self, path: Path | str, *, called: Path | str | None = None) -> None:
        self.path = str(called or path)
        try:
            self._file = os.open(path, os.O_RDONLY)
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
    def datasets(self) -> tuple[Dataset, ...]:
        """Everything in the file that has bytes of its own, by path."""
        return self.record.datasets

    @property
    def entries(self) -> Mapping[str, TensorEntry]:
        """The variables by name; see ``entries.CheckpointReader``."""
        return self._entries

    @cached_property
    def _entries(self) -> Mapping[str, TensorEntry]:
        return {name: _entry(found) for name, found in sorted(self._variables.items())}

    @cached_property
    def _variables(self) -> dict[str, list[Dataset]]:
        found: dict[str, list[Dataset]] = {}
        for dataset in self.record.datasets:
            container, _, name, *_ = dataset.origin
            if dataset.origin.is_variable:
                found.setdefault(f"{container}:{name}" if container else name, []).append(dataset)
        return found

    def read(self, name: str, part: Slice | None = None) -> Array:
        """A variable, or a part of it; see ``entries.CheckpointReader``."""
        found = self._variables.get(name)
        if found is None:
            raise self._refused(Status.NOT_FOUND, f"holds no tensor {name!r}")
        entry = self.entries[name]
        wanted = region_of(part, entry.shape) if part is not None else None
        if not entry.slices:
            return self.array(found[0], wanted)
        regions = [region_of(piece, entry.shape) for piece in entry.slices]
        return assemble(
            entry.dtype,
            wanted or region_of(None, entry.shape),
            regions,
            lambda place: lambda target: np.copyto(target, self.array(found[place])),
        )

    def array(self, dataset: Dataset, wanted: Region | None = None) -> Array:
        """A dataset's tensor, or a box of it, for which only the pieces that it lies in are read."""
        form = dataset.form
        try:
            if form.dtype is dtypes.string or form.stored_shape != form.shape:
                whole = decode(self._stored(dataset), form).reshape(form.shape)
                return whole if wanted is None else whole[(*wanted, ...)]
            if wanted is None and form.kept is form.dtype:
                return decode(self._stored(dataset), form)
            return self._assembled(dataset, wanted or region_of(None, form.shape))
        except (EOFError, ValueError) as error:
            raise self._faulty(dataset, str(error)) from error

    def _stored(self, dataset: Dataset) -> Array:
        """All of a dataset as it is stored."""
        form = dataset.form
        target = np.empty(form.stored_shape, form.stored_type)
        octets, begin = chunks.octets(target), 0
        shares: list[tuple[int, Array]] = []
        for number, box in enumerate(dataset.grid.boxes()):
            length = prod(shape_of(box)) * form.stored_type.itemsize
            shares.append((number, octets[begin : begin + length]))
            begin += length
        chunks.in_threads(lambda share: self._fill(dataset, *share), shares)
        return target

    def _assembled(self, dataset: Dataset, wanted: Region) -> Array:
        form = dataset.form
        target = np.empty(shape_of(wanted), form.dtype.numpy)

        def fill(share: tuple[int, Region, Region]) -> None:
            number, box, common = share
            stored = np.empty(shape_of(box), form.stored_type)
            self._fill(dataset, number, chunks.octets(stored))
            target[chunks.within(common, wanted)] = decode(stored, form)[chunks.within(common, box)]

        shares = [
            (number, box, common)
            for number, box in enumerate(dataset.grid.boxes())
            if (common := intersection(box, wanted)) is not None
        ]
        chunks.in_threads(fill, shares)
        return target

    def _fill(self, dataset: Dataset, number: int, target: Array) -> None:
        """Reads a piece. Raises ValueError where it does not verify, EOFError where the file ends before."""
        piece = dataset.pieces[number]
        packed = dataset.compressed
        data = np.empty(piece.length, np.uint8) if packed else target
        if chunks.read(self._file, piece.address, data) != piece.checksum:
            raise ValueError("its checksum is wrong")
        if packed:
            room = prod(dataset.grid.chunks) * dataset.form.stored_type.itemsize
            if piece.length != room:
                data = chunks.decompress_chunk(data, dataset.form.stored_type.itemsize, room)
            target[:] = data[: target.nbytes]

    def verify(self) -> None:
        """Reads everything. Raises the first of ``faults``."""
        for fault in self.faults():
            raise fault

    def faults(self) -> Iterator[TfgError]:
        """One for every dataset that does not verify."""
        scratch = np.empty(chunks.STRIDE, np.uint8)
        for dataset in self.record.datasets:
            try:
                for piece in dataset.pieces:
                    if chunks.scan(self._file, piece.address, piece.length, scratch) != piece.checksum:
                        raise ValueError("its checksum is wrong")
            except (EOFError, ValueError) as error:
                yield self._faulty(dataset, str(error))

    def _open(self) -> CommitRecord:
        found = self._guarded(self._find_record)
        if claimant := commit_record.claims_too_much(found):
            raise self._refused(
                Status.RESOURCE_EXHAUSTED,
                f"claims {claimed(claimant)} bytes for dataset {claimant.path!r} out of {claimant.size}",
            )
        return found

    def _find_record(self) -> CommitRecord:
        head = os.pread(self._file, _HEAD, 0)
        if not head.startswith(_HDF5):
            raise self._refused(Status.DATA_LOSS, "is no HDF5 file, or the beginning of it is damaged")
        found = commit_record.find_seal(head)
        if found is None:
            raise self._foreign(head)
        if found.format != FORMAT:
            raise self._refused(
                Status.INVALID_ARGUMENT,
                f"has format {found.format}; this version of tfg reads format {FORMAT}",
            )
        text = self._record_text(found, head)
        if hashlib.sha256(text).hexdigest() != found.sha256:
            raise self._refused(Status.DATA_LOSS, "has a commit record that does not verify")
        made = commit_record.decode(text)
        if os.fstat(self._file).st_size != made.size:
            raise self._changed(head, f"has another length than the {made.size} bytes committed")
        gaps = made.gaps([(found.place, SEAL_SIZE), (found.address, found.length)])
        if chunks.scan_all(self._file, gaps) != made.structure:
            raise self._refused(
                Status.DATA_LOSS, "does not have the structure that was committed: it was changed or damaged"
            )
        if head[found.place :][:SEAL_SIZE] != commit_record.seal(found.address, text):
            raise self._refused(Status.DATA_LOSS, "has a damaged first dataset")
        return made

    def _foreign(self, head: bytes) -> TfgError:
        """Returns the error for a file without a seal: damaged or truncated HDF5, or a file of another program."""
        version, size = head[8:9], os.fstat(self._file).st_size
        if version in (b"", b"\0", b"\1") and not (
            size >= 96 and head[13:15] == b"\x08\x08" and int.from_bytes(head[_END], "little") <= size
        ):
            return self._refused(Status.DATA_LOSS, f"is a damaged HDF5 file, or cut short at {size} bytes")
        return self._refused(Status.INVALID_ARGUMENT, "is an HDF5 file, but not a state of tfg's")

    def _changed(self, head: bytes, how: str) -> TfgError:
        """Returns the error for a file of another length; HDF5's own record of the length tells who changed it."""
        if int.from_bytes(head[_END], "little") == os.fstat(self._file).st_size:
            how = "was written by another program since it was committed, such as a notebook or h5repack"
        return self._refused(Status.DATA_LOSS, how)

    def _record_text(self, found: commit_record.Seal, head: bytes) -> bytes:
        size = os.fstat(self._file).st_size
        if not found.sha256:
            raise self._refused(Status.DATA_LOSS, "has a damaged first dataset")
        if found.address + found.length > size:
            raise self._changed(head, f"is cut short: it has {size} bytes")
        if found.length > _LONGEST_RECORD:
            raise self._refused(Status.DATA_LOSS, f"has a commit record of {found.length} bytes")
        return os.pread(self._file, found.length, found.address)

    def _guarded(self, find: Callable[[], CommitRecord]) -> CommitRecord:
        try:
            return find()
        except (EOFError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise self._refused(
                Status.DATA_LOSS, f"has a commit record that makes no sense: {error}"
            ) from error
        except OSError as error:
            raise file_error(error, "read", self.path) from error

    def _faulty(self, dataset: Dataset, why: str) -> TfgError:
        return self._refused(Status.DATA_LOSS, f"has a damaged dataset {dataset.path!r}: {why}")

    def _refused(self, status: Status, why: str) -> TfgError:
        return TfgError(status, f"{self.path!r} {why}", location=Location(self.path))


def _entry(found: list[Dataset]) -> TensorEntry:
    first = found[0]
    slices = tuple(dataset.part for dataset in found if dataset.part is not None)
    return TensorEntry(first.form.dtype, first.whole if slices else first.form.shape, slices)
