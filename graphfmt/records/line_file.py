"""Text files, plain or compressed, as lines."""

from __future__ import annotations

from .record_file import open_compressed

_CHUNK = 1 << 18


class LineReader:
    """Reads lines without their ends, which are a newline, after a carriage return or alone.

    With ``drops_returns``, carriage returns inside lines are left out too, as TensorFlow's TextLineDataset does and its
    TextLineReader does not.
    """

    def __init__(self, path: str, compression: str, offset: int, *, drops_returns: bool) -> None:
        self._drops_returns = drops_returns
        self._file = open_compressed(path, compression)
        self._buffer = b""
        self._place = 0
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
            end = self._buffer.find(b"\n", self._place)
            if end >= 0:
                pieces.append(self._buffer[self._place : end])
                self._place = end + 1
                line = b"".join(pieces)
                self.offset += len(line) + 1
                return self._without_returns(line)
            pieces.append(self._buffer[self._place :])
            self._buffer, self._place = b"" if self._has_ended else self._file.read(_CHUNK), 0
            if not self._buffer:
                self._has_ended = True
                rest = b"".join(pieces)
                self.offset += len(rest)
                return self._without_returns(rest) if rest else None

    def _without_returns(self, line: bytes) -> bytes:
        return line.replace(b"\r", b"") if self._drops_returns else line.removesuffix(b"\r")

    def close(self) -> None:
        self._file.close()
