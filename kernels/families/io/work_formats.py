"""The formats of the files that readers read, and what a reader calls each of their records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....graphfmt.errors import Status, TfgError
from ....graphfmt.files import read_file
from ....graphfmt.records.line_file import LineReader
from ....graphfmt.records.record_file import RecordReader, open_compressed

if TYPE_CHECKING:
    from typing import BinaryIO

    from ....graphfmt.records.record_file import RecordStream

_CHUNK = 1 << 20


class WorkFormat:
    """How a unit of work, which most formats take for the name of a file, is read.

    Attributes:
        op: the operation that makes a reader of this format, by its name without version.
        is_single: a unit is one record. It is opened when it is read, and completed by that.
        serializes: the state of such a reader can be serialized.
    """

    op = ""
    is_single = False
    serializes = False

    def open(self, work: str, offset: int) -> RecordStream:
        """Opens a unit at a position. Raises NOT_FOUND and the like."""
        raise NotImplementedError

    def skip_header(self, stream: RecordStream) -> int:
        """Skips the header of a unit that was opened at its beginning; returns the number of its first record."""
        return 0

    def key(self, work: bytes, offset: int, number: int) -> bytes:
        """Returns the key of a record from its position and its number."""
        return b"%s:%d" % (work, number)


class IdentityFormat(WorkFormat):
    """A unit of work is itself the record."""

    op = "IdentityReader"
    is_single = True
    serializes = True

    def open(self, work: str, offset: int) -> RecordStream:
        return _OneRecord(work.encode("utf-8", "surrogateescape"))

    def key(self, work: bytes, offset: int, number: int) -> bytes:
        return work


class WholeFileFormat(IdentityFormat):
    """A file is one record."""

    op = "WholeFileReader"

    def open(self, work: str, offset: int) -> RecordStream:
        return _OneRecord(read_file(work)[0])


class _OneRecord:
    def __init__(self, record: bytes) -> None:
        self.offset = 0
        self._record: bytes | None = record

    def read(self) -> bytes | None:
        record, self._record = self._record, None
        return record

    def close(self) -> None:
        self._record = None


@dataclass(frozen=True)
class TFRecordFormat(WorkFormat):
    """The records of a TFRecord file; their keys have their positions."""

    compression: str = ""
    op = "TFRecordReader"

    def open(self, work: str, offset: int) -> RecordStream:
        return RecordReader(work, self.compression, offset)

    def key(self, work: bytes, offset: int, number: int) -> bytes:
        return b"%s:%d" % (work, offset)


@dataclass(frozen=True)
class TextLineFormat(WorkFormat):
    """The lines of a text file, numbered from 1, after some that are left out."""

    skip_lines: int = 0
    op = "TextLineReader"

    def open(self, work: str, offset: int) -> RecordStream:
        return LineReader(work, "", offset, drops_returns=False)

    def skip_header(self, stream: RecordStream) -> int:
        for number in range(self.skip_lines):
            if stream.read() is None:
                return number + 1
        return self.skip_lines + 1


@dataclass(frozen=True)
class FixedLengthFormat(WorkFormat):
    """Records of ``record`` bytes, each ``hop`` bytes after the one before, between a header and a footer."""

    header: int
    record: int
    footer: int
    hop: int
    compression: str = ""
    op = "FixedLengthRecordReader"

    def open(self, work: str, offset: int) -> RecordStream:
        return _FixedLengthRecords(open_compressed(work, self.compression), self, offset or self.header)


class _FixedLengthRecords:
    """Reads a stream that cannot go back; ``_ahead`` are the bytes that follow what was read."""

    def __init__(self, file: BinaryIO, layout: FixedLengthFormat, offset: int) -> None:
        self.offset = offset
        self._file = file
        self._layout = layout
        self._ahead = b""
        self._ahead_at = 0
        if not self._skip_to(offset):
            file.close()
            raise TfgError(Status.OUT_OF_RANGE, "reached end of file within the header")

    def read(self) -> bytes | None:
        layout = self._layout
        if not self._skip_to(self.offset) or not self._fill(layout.record + layout.footer):
            return None
        self.offset += layout.hop
        return self._ahead[: layout.record]

    def _skip_to(self, offset: int) -> bool:
        """Drops the bytes before a position; returns False if the file ends before it."""
        while self._ahead_at + len(self._ahead) < offset:
            self._ahead_at += len(self._ahead)
            self._ahead = self._file.read(min(_CHUNK, offset - self._ahead_at))
            if not self._ahead:
                return False
        self._ahead, self._ahead_at = self._ahead[offset - self._ahead_at :], offset
        return True

    def _fill(self, size: int) -> bool:
        pieces, missing = [self._ahead], size - len(self._ahead)
        while missing > 0:
            # In chunks: a size beyond the end must not allocate as much.
            piece = self._file.read(min(_CHUNK, missing))
            if not piece:
                break
            pieces.append(piece)
            missing -= len(piece)
        self._ahead = b"".join(pieces)
        return missing <= 0

    def close(self) -> None:
        self._file.close()
