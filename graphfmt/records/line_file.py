"""Text files, plain or compressed, as lines."""

from __future__ import annotations

from .record_file import open_compressed

_CHUNK = 1 << 18


class LineReader:
    """Reads lines without their ends, a newline with or without a carriage return before it."""

    def __init__(self, path: str, compression: str, offset: int) -> None:
        self._file = open_compressed(path, compression)
        self._buffer = b""
        self._has_ended = False
        self.offset = 0
        while self.offset < offset:
            skipped = self._file.read(min(_CHUNK, offset - self.offset))
            if not skipped:
                break
            self.offset += len(skipped)

    def read(self) -> bytes | None:
        pieces: list[bytes] = []
        while True:
            end = self._buffer.find(b"\n")
            if end >= 0:
                pieces.append(self._buffer[:end])
                self._buffer = self._buffer[end + 1 :]
                line = b"".join(pieces)
                self.offset += len(line) + 1
                return line.removesuffix(b"\r")
            pieces.append(self._buffer)
            self._buffer = b"" if self._has_ended else self._file.read(_CHUNK)
            if not self._buffer:
                self._has_ended = True
                rest = b"".join(pieces)
                self.offset += len(rest)
                return rest.removesuffix(b"\r") if rest else None

    def close(self) -> None:
        self._file.close()
