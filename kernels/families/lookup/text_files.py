"""Keys and values of lookup tables in text files, one entry per line (lookup_util.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.files import read_file

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ....graphfmt.tensors import Array

_WHOLE_LINE, _LINE_NUMBER = -2, -1


class TextColumns(NamedTuple):
    """The parts of a line that are key and value: a column, -2 for the whole line, -1 for its number.

    ``size`` is the number of lines to read, -1 for all; ``offset`` is added to line numbers.
    """

    key: int
    value: int
    size: int
    delimiter: str
    offset: int


def read_columns(path: Any, columns: TextColumns, key: DType, value: DType) -> tuple[Array, Array]:
    """Returns keys and values.

    Raises INVALID_ARGUMENT for dtypes that a part of a line cannot have, lines with too few columns and texts that are
    no numbers, and NOT_FOUND and the like for a file that cannot be read.
    """
    if len(columns.delimiter) != 1:
        raise invalid(f"delimiter should be only 1 char, but is {columns.delimiter!r}")
    for index, dtype, what in ((columns.key, key, "key"), (columns.value, value, "value")):
        if index == _LINE_NUMBER and dtype is not dtypes.int64:
            raise invalid(
                f"{what} index for line number -1 requires table {what} dtype of int64, got {dtype}"
            )
        if index == _WHOLE_LINE and dtype is dtypes.int64 and what == "value":
            raise invalid(
                f"{what} index for whole line -2 requires table {what} dtype of string, got {dtype}"
            )
    name = path.decode("utf-8", "surrogateescape") if isinstance(path, bytes) else str(path)
    data, _ = read_file(name)
    lines = data.split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    if columns.size >= 0:
        if len(lines) < columns.size:
            raise invalid(f"Invalid vocab_size in {name}: expected {columns.size} but got {len(lines)}")
        lines = lines[: columns.size]
    lines = [line.removesuffix(b"\r") for line in lines]
    return _column(lines, columns.key, columns, key, name), _column(
        lines, columns.value, columns, value, name
    )


def _column(lines: list[bytes], index: int, columns: TextColumns, dtype: DType, name: str) -> Array:
    if index == _LINE_NUMBER:
        return np.arange(columns.offset, columns.offset + len(lines), dtype=np.int64)
    texts = lines if index == _WHOLE_LINE else [_field(line, index, columns, name) for line in lines]
    result = np.empty(len(texts), dtype.numpy)
    try:
        result[:] = texts if dtype is dtypes.string else [_number(text, dtype) for text in texts]
    except (ValueError, OverflowError) as error:
        raise invalid(f"a field of {name} is not a valid {dtype}: {error}") from None
    return result


def _field(line: bytes, index: int, columns: TextColumns, name: str) -> bytes:
    fields = line.split(columns.delimiter.encode())
    if index >= len(fields):
        raise invalid(
            f"Invalid number of columns in {name} line {line.decode('utf-8', 'replace')!r}: expected {index + 1}, got "
            f"{len(fields)}"
        )
    return fields[index]


def _number(text: bytes, dtype: DType) -> Any:
    return float(text) if dtype.is_floating else int(text)
