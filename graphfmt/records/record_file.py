"""TFRecord files: records with their lengths and checksums, plain or compressed.

A record is its length (8 bytes), the masked CRC-32C of those, its bytes, and their masked CRC-32C
(tensorflow/core/lib/io/record_writer.h).
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from ..checkpoints.checksums import masked
from ..errors import Location, Status, TfgError
from ..files import file_error
from .bad_records import BAD_RECORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_HEADER = struct.Struct("<QI")
HEADER_BYTES = _LENGTH.size + _CRC.size
FOOTER_BYTES = _CRC.size
# Bytes that are read of a file at least, and at most, at a time.
_CHUNK, _LARGEST_CHUNK = 1 << 18, 1 << 20
# The compressions by TensorFlow's name, with zlib's parameter for the kind of wrapper.
_WINDOW_BITS = {"ZLIB": 15, "GZIP": 31}


class RecordStream(Protocol):
    """Reads records one by one; ``offset`` is the position of the next one in the uncompressed bytes."""

    offset: int

    def read(self) -> bytes | None:
        """Returns the next record, None at the end."""
        ...

    def close(self) -> None: ...


def framed(record: bytes) -> bytes:
    """Returns a record as a file holds it."""
    import google_crc32c

    length = _LENGTH.pack(len(record))
    length_crc = _CRC.pack(masked(google_crc32c.value(length)))
    return b"".join((length, length_crc, record, _CRC.pack(masked(google_crc32c.value(record)))))


def read_records(path: str | Path, compression: str = "", *, skip_bad: bool = False) -> Iterator[bytes]:
    """Yields the records of a file.

    Args:
        compression: ``""``, ``"ZLIB"`` or ``"GZIP"``.
        skip_bad: leaves out records with a wrong checksum, and what follows a damaged length.

    Raises:
        TfgError: DATA_LOSS for a wrong checksum or a truncated file, with the file and the offset; NOT_FOUND and
            the like for a file that cannot be read; INVALID_ARGUMENT for an unknown compression.
    """
    reader = RecordReader(path, compression)
    try:
        while True:
            try:
                record = reader.read()
            except TfgError as error:
                if not skip_bad or error.status is not Status.DATA_LOSS:
                    raise
                if not reader.can_go_on:
                    return
                continue
            if record is None:
                return
            yield record
    finally:
        reader.close()


class RecordReader:
    """Reads records one by one. ``offset`` is the position of the next one, in the uncompressed bytes; ``can_go_on`` is
    False once the rest of the file cannot be told into records."""

    def __init__(self, path: str | Path, compression: str = "", offset: int = 0) -> None:
        import google_crc32c

        self._path = str(path)
        self._crc = google_crc32c.value
        self._file = open_compressed(path, compression)
        # What has been read of the file, and the place of the next record in it.
        self._buffer = b""
        self._place = 0
        self.offset = 0
        self.can_go_on = True
        if offset:
            self._skip(offset)

    def read(self) -> bytes | None:
        """Returns the next record, None at the end. Raises DATA_LOSS for a damaged one, unless ``BAD_RECORDS`` leaves
        them out."""
        while True:
            start = self.offset
            try:
                return self._next() if self.can_go_on or not BAD_RECORDS.skips else None
            except TfgError as error:
                if not BAD_RECORDS.skips or error.status is not Status.DATA_LOSS:
                    raise
                BAD_RECORDS.add(self._path, start)

    def _next(self) -> bytes | None:
        if len(self._buffer) - self._place < HEADER_BYTES and not self._fill(HEADER_BYTES):
            if len(self._buffer) > self._place:
                raise self._lost("the file ends within its length")
            return None
        length, length_crc = _HEADER.unpack_from(self._buffer, self._place)
        if masked(self._crc(self._buffer[self._place : self._place + _LENGTH.size])) != length_crc:
            raise self._lost("the checksum of its length is wrong")
        size = HEADER_BYTES + length + FOOTER_BYTES
        if len(self._buffer) - self._place < size and not self._fill(size):
            has_data = len(self._buffer) - self._place > HEADER_BYTES
            raise self._lost("the file ends within its data" if has_data else "the file ends before its data")
        begin = self._place + HEADER_BYTES
        record = self._buffer[begin : begin + length]
        (record_crc,) = _CRC.unpack_from(self._buffer, begin + length)
        start, self.offset, self._place = self.offset, self.offset + size, self._place + size
        if masked(self._crc(record)) != record_crc:
            raise self._lost("its checksum is wrong", start, is_final=False)
        return record

    def _fill(self, wanted: int) -> bool:
        """Reads on until the buffer holds so many bytes from its place on; returns False where the file ends before. A
        length beyond the end allocates nothing."""
        pieces = [self._buffer[self._place :]]
        left = wanted - len(pieces[0])
        while left > 0:
            piece = self._read(max(_CHUNK, min(left, _LARGEST_CHUNK)))
            if not piece:
                break
            pieces.append(piece)
            left -= len(piece)
        self._buffer, self._place = b"".join(pieces), 0
        return left <= 0

    def _read(self, count: int) -> bytes:
        try:
            return self._file.read(count)
        except (zlib.error, EOFError) as error:
            raise self._lost(f"the compressed data is damaged: {error}") from error
        except OSError as error:
            raise file_error(error, "read", self._path) from error

    def _skip(self, offset: int) -> None:
        while self.offset < offset:
            piece = self._read(min(offset - self.offset, 1 << 20))
            if not piece:
                return
            self.offset += len(piece)

    def _lost(self, why: str, offset: int | None = None, *, is_final: bool = True) -> TfgError:
        self.can_go_on = not is_final
        at = self.offset if offset is None else offset
        return TfgError(
            Status.DATA_LOSS,
            f"{self._path}: the record at byte {at} is damaged: {why}",
            location=Location(self._path),
        )

    def close(self) -> None:
        self._file.close()


def open_compressed(path: str | Path, compression: str = "") -> BinaryIO:
    """Opens a file for reading its uncompressed bytes. Raises INVALID_ARGUMENT for an unknown compression, and
    NOT_FOUND and the like."""
    try:
        file = Path(path).open("rb")  # noqa: SIM115 (the caller closes it)
    except (OSError, ValueError) as error:
        raise file_error(error, "read", str(path)) from error
    if not compression:
        return file
    if compression not in _WINDOW_BITS:
        file.close()
        raise TfgError(Status.INVALID_ARGUMENT, f"Unsupported compression_type: {compression}")
    return _Inflated(file, _WINDOW_BITS[compression])  # pyright: ignore[reportReturnType]


class _Inflated:
    """The uncompressed bytes of a zlib or gzip file, whose members follow each other."""

    def __init__(self, file: BinaryIO, window_bits: int) -> None:
        self._file = file
        self._bits = window_bits
        self._inflate = zlib.decompressobj(window_bits)
        self._buffer = b""

    def read(self, count: int) -> bytes:
        while not self._buffer:
            if self._inflate.eof and self._inflate.unused_data:
                rest = self._inflate.unused_data
                self._inflate = zlib.decompressobj(self._bits)
                self._buffer = self._inflate.decompress(rest, 1 << 20)
                continue
            data = self._inflate.unconsumed_tail or self._file.read(1 << 16)
            if not data:
                if not self._inflate.eof:
                    self._buffer = self._inflate.flush()
                    if not self._buffer:
                        raise EOFError("it ends in the middle of a stream")
                break
            if self._inflate.eof:
                self._inflate = zlib.decompressobj(self._bits)
            self._buffer = self._inflate.decompress(data, 1 << 20)
        piece, self._buffer = self._buffer[:count], self._buffer[count:]
        return piece

    def close(self) -> None:
        self._file.close()
