"""Datasets of the records and lines of files: TFRecordDataset, TextLineDataset, FixedLengthRecordDataset
(tf_record_dataset_op.cc and its relatives in TensorFlow)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.records.line_file import LineReader
from ....graphfmt.records.record_file import RecordReader, open_compressed
from ....graphfmt.shapes import Shape
from ...core import shapes
from ...core.registry import Family
from ...core.traits import Effects, GpuSupport
from ...numeric import int_arguments
from ...numeric.string_tensors import to_value
from .datasets import Element, Pass, State, new_variant, save_numbers
from .signature_parts import METADATA

if TYPE_CHECKING:
    from collections.abc import Callable

    from ....graphfmt.records.record_file import RecordStream

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_CHUNK = 1 << 18


class Records(Pass):
    """The records of files, one file after the other. After an error it goes on with the next file."""

    def __init__(self, count: int, open_reader: Callable[[int, int | None], RecordStream]) -> None:
        self._count = count
        self._open = open_reader
        self._file = 0
        self._reader: RecordStream | None = None

    def next(self) -> Element | None:
        while self._file < self._count:
            try:
                if self._reader is None:
                    self._reader = self._open(self._file, None)
                record = self._reader.read()
            except BaseException:
                self._leave()
                raise
            if record is not None:
                return (to_value(record),)
            self._leave()
        return None

    def _leave(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = None
        self._file += 1

    def __del__(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def save(self) -> State:
        return save_numbers(file=self._file, offset=-1 if self._reader is None else self._reader.offset)

    def load(self, state: State) -> None:
        self._file = int(state["file"])
        offset = int(state["offset"])
        self._reader = None if offset < 0 else self._open(self._file, offset)


class FixedLengthReader:
    """Reads records of one length between a header and a footer."""

    def __init__(self, path: str, compression: str, layout: tuple[int, int, int], offset: int | None) -> None:
        header, self._length, self._footer = layout
        self._file = open_compressed(path, compression)
        self._check_size(path, compression, header)
        self.offset = 0
        self._skip(header if offset is None else offset)
        self._ahead = self._file.read(self._footer)

    def _check_size(self, path: str, compression: str, header: int) -> None:
        if compression:
            return
        body = Path(path).stat().st_size - header - self._footer
        if body % self._length:
            self._file.close()
            raise invalid(
                f"Excluding the header ({header} bytes) and footer ({self._footer} bytes), input file {path!r} has "
                f"body length {body} bytes, which is not an exact multiple of the record length ({self._length} "
                "bytes)."
            )

    def _skip(self, count: int) -> None:
        while self.offset < count:
            piece = self._file.read(min(_CHUNK, count - self.offset))
            if not piece:
                return
            self.offset += len(piece)

    def read(self) -> bytes | None:
        data = self._ahead
        while len(data) < self._length + self._footer:
            piece = self._file.read(self._length + self._footer - len(data))
            if not piece:
                return None
            data += piece
        self._ahead = data[self._length :]
        self.offset += self._length
        return data[: self._length]

    def close(self) -> None:
        self._file.close()


def file_paths(filenames: Any) -> list[str]:
    """Returns the names of a scalar or vector. Raises INVALID_ARGUMENT for higher ranks."""
    if np.ndim(filenames) > 1:
        raise invalid("`filenames` must be a scalar or a vector.")
    names = np.asarray(filenames, object).reshape(-1).tolist()
    return [os.fsdecode(name) for name in names]


def scalar_text(value: Any, what: str) -> str:
    """Returns a string. Raises INVALID_ARGUMENT for another rank than 0."""
    if np.ndim(value):
        raise invalid(f"{what} must be a scalar, but has shape {list(np.shape(value))}")
    found: Any = value[()] if isinstance(value, np.ndarray) else value
    return found.decode("utf-8", "replace")


def check_buffer(value: Any, least: int = 0) -> None:
    """Raises INVALID_ARGUMENT for a size of a buffer below the least one."""
    if int_arguments.int_scalar(value, "buffer_size") < least:
        raise invalid("`buffer_size` must be >= 0 (0 == no buffering)")


def checked_compression(value: Any) -> str:
    """Returns the name of a compression. Raises INVALID_ARGUMENT for an unknown one."""
    name = scalar_text(value, "compression_type")
    if name not in ("", "ZLIB", "GZIP"):
        raise invalid(f"Unsupported compression_type: {name}")
    return name


def _dataset(count: int, open_reader: Callable[[int, int | None], RecordStream]) -> Any:
    return new_variant((dtypes.string,), (Shape(()),), lambda reading: Records(count, open_reader))


def _records(xp: Any, filenames: Any, compression_type: Any, buffer_size: Any, *byte_offsets: Any) -> Any:
    paths, compression = file_paths(filenames), checked_compression(compression_type)
    # -1 leaves the size to TensorFlow.
    check_buffer(buffer_size, -1)
    starts = np.asarray(byte_offsets[0]).reshape(-1).tolist() if byte_offsets else []
    if starts and len(starts) != len(paths):
        raise invalid(f"there are {len(paths)} filenames, but {len(starts)} byte_offsets")

    def open_reader(place: int, offset: int | None) -> RecordStream:
        start = starts[place] if starts else 0
        return RecordReader(paths[place], compression, start if offset is None else offset)

    return _dataset(len(paths), open_reader)


for _name, _arguments in (("TFRecordDataset", ""), ("TFRecordDatasetV2", ", byte_offsets: int64")):
    op(
        f"{_name}(filenames: string, compression_type: string, buffer_size: int64{_arguments}; {METADATA}",
        shape=shapes.scalar,
        stateful=True,
        effects=Effects(reads_files=("filenames",)),
    ).kernel(_records)


lines = op(
    f"TextLineDataset(filenames: string, compression_type: string, buffer_size: int64; {METADATA}",
    shape=shapes.scalar,
    stateful=True,
    effects=Effects(reads_files=("filenames",)),
)


@lines.kernel
def _(xp: Any, filenames: Any, compression_type: Any, buffer_size: Any) -> Any:
    paths, compression = file_paths(filenames), checked_compression(compression_type)
    check_buffer(buffer_size)
    return _dataset(
        len(paths),
        lambda place, offset: LineReader(paths[place], compression, offset or 0, drops_returns=True),
    )


def _fixed(
    xp: Any, filenames: Any, header_bytes: Any, record_bytes: Any, footer_bytes: Any, buffer_size: Any,
    *compression_type: Any,
) -> Any:  # fmt: skip
    paths = file_paths(filenames)
    compression = checked_compression(compression_type[0]) if compression_type else ""
    check_buffer(buffer_size)
    layout: list[int] = []
    for what, value, least in (
        ("header_bytes", header_bytes, 0), ("record_bytes", record_bytes, 1), ("footer_bytes", footer_bytes, 0)
    ):  # fmt: skip
        layout.append(int_arguments.int_scalar(value, what))
        if layout[-1] < least:
            raise invalid(f"{what} must be {'> 0' if least else '>= 0'}")
    header, record, footer = layout

    def open_reader(place: int, offset: int | None) -> RecordStream:
        return FixedLengthReader(paths[place], compression, (header, record, footer), offset)

    return _dataset(len(paths), open_reader)


for _name, _arguments in (
    ("FixedLengthRecordDataset", ""),
    ("FixedLengthRecordDatasetV2", ", compression_type: string"),
):
    op(
        f"{_name}(filenames: string, header_bytes: int64, record_bytes: int64, footer_bytes: int64, "
        f"buffer_size: int64{_arguments}; {METADATA}",
        shape=shapes.scalar,
        stateful=True,
        effects=Effects(reads_files=("filenames",)),
    ).kernel(_fixed)
