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

if TYPE_CHECKING:
    from collections.abc import Iterator

_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
HEADER_BYTES = _LENGTH.size + _CRC.size
FOOTER_BYTES = _CRC.size
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
        self._path = str(path)
        self._file = open_compressed(path, compression)
        self.offset = 0
        self.can_go_on = True
        if offset:
            self._skip(offset)

    def read(self) -> bytes | None:
        """Returns the next record, None at the end. Raises DATA_LOSS."""
        import google_crc32c

        header = self._exactly(HEADER_BYTES, "its length")
        if header is None:
            return None
        length, length_crc = _LENGTH.unpack_from(header)[0], _CRC.unpack_from(header, _LENGTH.size)[0]
        if masked(google_crc32c.value(header[: _LENGTH.size])) != length_crc:
            raise self._lost("the checksum of its length is wrong")
        body = self._exactly(length + FOOTER_BYTES, "its data")
        if body is None:
            raise self._lost("the file ends before its data")
        record = body[:length]
        start, self.offset = self.offset, self.offset + HEADER_BYTES + len(body)
        if masked(google_crc32c.value(record)) != _CRC.unpack_from(body, length)[0]:
            raise self._lost("its checksum is wrong", start, is_final=False)
        return record

    def _exactly(self, count: int, what: str) -> bytes | None:
        """Returns bytes of the file, None at its end. A length beyond the end allocates nothing."""
        pieces: list[bytes] = []
        left = count
        while left:
            piece = self._read(min(left, 1 << 20))
            if not piece:
                break
            pieces.append(piece)
            left -= len(piece)
        if left == count:
            return None
        if left:
            raise self._lost(f"the file ends within {what}")
        return b"".join(pieces)

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
