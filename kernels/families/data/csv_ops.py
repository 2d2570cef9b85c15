"""CSVDataset in both versions: the records of files in the format of RFC 4180 (csv_dataset_op.cc in TensorFlow)."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import TfgError, invalid
from ....graphfmt.records.record_file import open_compressed
from ...core import shapes
from ...core.registry import Family
from ...core.traits import Effects, GpuSupport
from ...numeric import int_arguments, number_text
from ...numeric.string_tensors import to_value
from .datasets import Element, Pass, State, new_variant, save_numbers
from .file_ops import check_buffer, checked_compression, file_paths, scalar_text
from .signature_parts import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ....graphfmt.dtypes import DType
    from ....graphfmt.shapes import Shape

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_CHUNK = 1 << 18
_LINE_END = re.compile(rb"[\r\n]")


class Dialect(NamedTuple):
    """The format of the files."""

    delimiter: bytes
    quotes: bool
    has_header: bool


class CsvColumn(NamedTuple):
    """A component of the elements: its dtype, and what stands for a missing field, None if it is required."""

    dtype: DType
    default: Any

    def value(self, field: bytes, number: int, missing: bytes) -> Any:
        """Returns the value of a field. Raises INVALID_ARGUMENT."""
        if not field or field == missing:
            if self.default is None:
                raise invalid(f"Field {number} is required but missing in record!")
            return self.default
        if self.dtype is dtypes.string:
            return to_value(field)
        try:
            with np.errstate(over="ignore"):
                return self.dtype.numpy.type(number_text.parser(self.dtype)(field))
        except TfgError:
            text = field.decode("utf-8", "replace")
            raise invalid(f"Field {number} in record is not a valid {self.dtype}: {text}") from None


class RecordScanner:
    """Splits a file into records of fields; ``offset`` is the position of the next record in the uncompressed bytes."""

    def __init__(self, path: str, compression: str, dialect: Dialect, offset: int | None) -> None:
        self._file = open_compressed(path, compression)
        self._dialect = dialect
        specials = b"\r\n" + re.escape(dialect.delimiter) + (b'"' if dialect.quotes else b"")
        self._special = re.compile(b"[" + specials + b"]")
        self._buffer = b""
        self._place = 0
        self._has_ended = False
        self.offset = 0
        if offset is None:
            self._skip_header()
        else:
            self._skip(offset)

    def _skip_header(self) -> None:
        if self._dialect.has_header and self._more(0):
            end = self._find(_LINE_END, 0)
            self._leave(end, has_line_end=end < len(self._buffer))

    def _skip(self, offset: int) -> None:
        while self.offset < offset:
            piece = self._file.read(min(_CHUNK, offset - self.offset))
            if not piece:
                return
            self.offset += len(piece)

    def read(self) -> list[bytes] | None:
        """Returns the fields of the next record, None at the end. After an error the next record is the one behind."""
        if self._place >= len(self._buffer) and not self._more(self._place):
            return None
        end = self._find(_LINE_END, self._place)
        line = self._buffer[self._place : end]
        if not self._dialect.quotes or b'"' not in line:
            self._leave(end, has_line_end=end < len(self._buffer))
            return line.split(self._dialect.delimiter)
        return self._read_quoted()

    def _read_quoted(self) -> list[bytes]:
        fields: list[bytes] = []
        errors: list[str] = []
        place = self._place
        while True:
            quoted = self._byte(place) == b'"'
            field, place = self._quoted(place + 1, errors) if quoted else self._unquoted(place, errors)
            fields.append(field)
            if self._byte(place) != self._dialect.delimiter:
                break
            place += 1
        self._leave(place, has_line_end=place < len(self._buffer))
        if errors:
            raise invalid(errors[0])
        return fields

    def _unquoted(self, place: int, errors: list[str]) -> tuple[bytes, int]:
        end = place
        while True:
            end = self._find(self._special, end)
            if self._buffer[end : end + 1] != b'"':
                return self._buffer[place:end], end
            errors.append("Unquoted fields cannot have quotes inside")
            end += 1

    def _quoted(self, place: int, errors: list[str]) -> tuple[bytes, int]:
        """Returns a field in quotes and the place behind them. A quote that ends no field counts as a part of it."""
        pieces: list[bytes] = []
        while True:
            end = self._find(_QUOTE, place)
            pieces.append(self._buffer[place:end])
            if end >= len(self._buffer):
                errors.append("Reached end of file without closing quoted field in record")
                return b"".join(pieces), end
            following = self._byte(end + 1)
            if following in (b"", b"\r", b"\n", self._dialect.delimiter):
                return b"".join(pieces), end + 1
            if following != b'"':
                errors.append("Quote inside a string has to be escaped by another quote")
                place = end + 1
                continue
            pieces.append(b'"')
            place = end + 2

    def _byte(self, place: int) -> bytes:
        if place >= len(self._buffer):
            self._more(place)
        return self._buffer[place : place + 1]

    def _find(self, pattern: re.Pattern[bytes], place: int) -> int:
        """Returns the place of the next match, the end of the file if there is none."""
        while True:
            found = pattern.search(self._buffer, place)
            if found is not None:
                return found.start()
            place = len(self._buffer)
            if not self._more(place):
                return place

    def _more(self, place: int) -> bool:
        """Reads on until there is a byte at a place; returns whether there is one."""
        pieces = [self._buffer]
        size = len(self._buffer)
        while size <= place and not self._has_ended:
            piece = self._file.read(max(_CHUNK, size))
            self._has_ended = not piece
            pieces.append(piece)
            size += len(piece)
        self._buffer = b"".join(pieces)
        return size > place

    def _leave(self, end: int, *, has_line_end: bool) -> None:
        """Goes behind the end of a line, which is at ``end``."""
        if has_line_end:
            end += 2 if self._buffer[end : end + 1] == b"\r" and self._byte(end + 1) == b"\n" else 1
        self.offset += end - self._place
        self._place = end
        if end > _CHUNK:
            self._buffer, self._place = self._buffer[end:], 0

    def close(self) -> None:
        self._file.close()


_QUOTE = re.compile(b'"')


class Selection(NamedTuple):
    """The fields of a record that become components: those of ``selected``, or all but ``excluded``."""

    selected: tuple[int, ...]
    excluded: tuple[int, ...]

    def of(self, record: list[bytes], count: int) -> list[bytes]:
        """Returns ``count`` fields. Raises INVALID_ARGUMENT if the record has other ones."""
        if self.selected:
            if len(record) <= self.selected[-1]:
                raise invalid(f"Expect {self.selected[-1] + 1} fields but have {len(record)} in record")
            return [record[place] for place in self.selected]
        if self.excluded and self.excluded[-1] >= len(record):
            raise invalid(f"Expect {self.excluded[-1] + 1} fields but have {len(record)} in record")
        left = set(range(len(record))).difference(self.excluded) if self.excluded else range(len(record))
        if len(left) != count:
            more = "more" if len(left) > count else str(len(left))
            raise invalid(f"Expect {count} fields but have {more} in record")
        return [record[place] for place in sorted(left)] if self.excluded else record


class CsvRecords(Pass):
    """The records of files, one file after the other. After an error it goes on with the next record, and behind a
    file that cannot be read."""

    def __init__(
        self,
        count: int,
        open_file: Callable[[int, int | None], RecordScanner],
        columns: Sequence[CsvColumn],
        selection: Selection,
        missing: bytes,
    ) -> None:
        self._count = count
        self._open = open_file
        self._columns = columns
        self._selection = selection
        self._missing = missing
        self._file = 0
        self._scanner: RecordScanner | None = None

    def next(self) -> Element | None:
        while self._file < self._count:
            record = self._read()
            if record is not None:
                return self._element(record)
            self._leave()
        return None

    def _read(self) -> list[bytes] | None:
        offset = -1 if self._scanner is None else self._scanner.offset
        try:
            if self._scanner is None:
                self._scanner = self._open(self._file, None)
            return self._scanner.read()
        except BaseException:
            if self._scanner is None or self._scanner.offset == offset:
                self._leave()
            raise

    def _element(self, record: list[bytes]) -> Element:
        fields = self._selection.of(record, len(self._columns))
        pairs = enumerate(zip(self._columns, fields))
        return tuple(column.value(field, number, self._missing) for number, (column, field) in pairs)

    def _leave(self) -> None:
        if self._scanner is not None:
            self._scanner.close()
        self._scanner = None
        self._file += 1

    def __del__(self) -> None:
        if self._scanner is not None:
            self._scanner.close()

    def save(self) -> State:
        return save_numbers(file=self._file, offset=-1 if self._scanner is None else self._scanner.offset)

    def load(self, state: State) -> None:
        self._file = int(state["file"])
        offset = int(state["offset"])
        self._scanner = None if offset < 0 else self._open(self._file, offset)


def _columns(defaults: Sequence[Any], types: Sequence[DType]) -> list[CsvColumn]:
    columns: list[CsvColumn] = []
    for number, (value, dtype) in enumerate(zip(defaults, types)):
        if np.ndim(value) > 1 or np.size(value) > 1:
            raise invalid(f"There should only be 1 default per field but field {number} has {np.size(value)}")
        default = None if np.ndim(value) and not np.size(value) else np.asarray(value).reshape(-1)[0]
        columns.append(CsvColumn(dtype, to_value(default)))
    return columns


def _increasing(value: Any, what: str) -> tuple[int, ...]:
    if np.ndim(value) != 1:
        raise invalid(f"`{what}` must be a vector, but has shape {list(np.shape(value))}")
    places = tuple(np.asarray(value).tolist())
    if any(place < 0 for place in places[:1]):
        raise invalid(f"{what} should be non-negative indices")
    if any(second <= first for first, second in itertools.pairwise(places)):
        raise invalid(f"{what} should be strictly increasing indices")
    return places


def _dialect(delimiter: Any, quotes: Any, header: Any) -> Dialect:
    mark = scalar_text(delimiter, "field_delim")
    if len(mark.encode()) != 1:
        raise invalid("field_delim should be only 1 char")
    uses_quotes = int_arguments.bool_scalar(quotes, "use_quote_delim")
    return Dialect(mark.encode(), uses_quotes, int_arguments.bool_scalar(header, "header"))


def _csv(
    xp: Any, filenames: Any, compression_type: Any, buffer_size: Any, header: Any, field_delim: Any,
    use_quote_delim: Any, na_value: Any, select_cols: Any, record_defaults: Any, *exclude_cols: Any,
    output_types: Sequence[DType], output_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    paths, compression = file_paths(filenames), checked_compression(compression_type)
    check_buffer(buffer_size, 1)
    dialect = _dialect(field_delim, use_quote_delim, header)
    excluded = _increasing(exclude_cols[0], "exclude_cols") if exclude_cols else ()
    selection = Selection(_increasing(select_cols, "select_cols"), excluded)
    if selection.selected and selection.excluded:
        raise invalid("Either select_cols or exclude_cols should be empty")
    if selection.selected and len(selection.selected) != len(output_types):
        raise invalid("select_cols should match output size")
    columns = _columns(record_defaults, output_types)
    missing = scalar_text(na_value, "na_value").encode()

    def open_file(place: int, offset: int | None) -> RecordScanner:
        return RecordScanner(paths[place], compression, dialect, offset)

    return new_variant(
        output_types,
        output_shapes,
        lambda reading: CsvRecords(len(paths), open_file, columns, selection, missing),
    )


for _name, _arguments in (("CSVDataset", ""), ("CSVDatasetV2", ", exclude_cols: int64")):
    op(
        f"{_name}(filenames: string, compression_type: string, buffer_size: int64, header: bool, field_delim: string, "
        "use_quote_delim: bool, na_value: string, select_cols: int64, record_defaults: *output_types"
        f"{_arguments}; "
        f"{OUTPUTS.replace('list(type)', 'list(type) in {float, double, int32, int64, string}')}) -> (handle: variant)",
        shape=shapes.scalar,
        stateful=True,
        effects=Effects(reads_files=("filenames",)),
    ).kernel(_csv)
