"""DecodeCSV: the fields of records of comma-separated values as tensors (decode_csv_op.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import TfgError, invalid
from ....graphfmt.shapes import Shape
from ...core.cancellation import checked
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric import number_text
from ...numeric.string_tensors import array_of, string_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_QUOTE = ord('"')
_ENDS = b"\r\n"


def _like_records(c: ShapeContext) -> list[Shape]:
    for number in range(1, len(c.facts)):
        default = c.input(number)
        if default.rank is not None and default.rank > 1:
            raise invalid(
                f"Each record default should be at most rank 1, but default {number - 1} is {default}"
            )
        if default.size is not None and default.size > 1:
            raise invalid(
                f"Shape of a default must be a length-0 or length-1 vector, or a scalar, not {default}"
            )
    return [c.input("records")] * len(c.bound.output_types)


decode = op(
    "DecodeCSV(records: string, record_defaults: *OUT_TYPE; OUT_TYPE: list(type) in {float, double, int32, int64, "
    'string} >= 1, field_delim: string = ",", use_quote_delim: bool = true, na_value: string = "", '
    "select_cols: list(int) = []) -> (output: *OUT_TYPE)",
    shape=_like_records,
)


@decode.kernel
def _(
    xp: Any, records: Any, record_defaults: Any, *, OUT_TYPE: Sequence[DType], field_delim: str,
    use_quote_delim: bool, na_value: str, select_cols: Sequence[int],
) -> Any:  # fmt: skip
    layout = _Layout(field_delim.encode(), use_quote_delim, tuple(select_cols))
    _check_layout(layout, len(OUT_TYPE))
    array = string_array(records)
    rows = [layout.fields(record) for record in checked(array.reshape(-1).tolist())]
    for number, row in enumerate(rows):
        if len(row) != len(OUT_TYPE):
            raise invalid(f"Expect {len(OUT_TYPE)} fields but have {len(row)} in record {number}")
    columns = zip(*rows) if rows else [()] * len(OUT_TYPE)
    outputs: list[Any] = []
    faults: list[tuple[int, int, TfgError]] = []
    for field, (column, dtype, default) in enumerate(zip(columns, OUT_TYPE, record_defaults)):
        converted = _Column(field, dtype, _default(default, field, dtype), na_value.encode())
        outputs.append(converted.values(column))
        faults += converted.faults
    if faults:
        # The first record that has one, as in TensorFlow.
        raise min(faults, key=lambda fault: fault[:2])[2]
    return [array_of(array.shape, values, t.numpy) for values, t in zip(outputs, OUT_TYPE)]


def _check_layout(layout: _Layout, outputs: int) -> None:
    columns = layout.columns
    if len(layout.delimiter) != 1:
        raise invalid(f"field_delim should be only 1 char, not {layout.delimiter.decode()!r}")
    if any(column < 0 for column in columns):
        raise invalid(f"select_cols should be non-negative indices, not {list(columns)}")
    if list(columns) != sorted(set(columns)):
        raise invalid(f"select_cols should be strictly increasing indices, not {list(columns)}")
    if columns and len(columns) != outputs:
        raise invalid(f"select_cols should match output size: {len(columns)} columns, {outputs} outputs")


def _default(value: Any, field: int, dtype: DType) -> Any:
    """Returns the default of a field in a list, an empty one if it has none."""
    listed: list[Any] = [value] if isinstance(value, bytes) else np.reshape(value, -1).tolist()
    if len(listed) > 1:
        raise invalid(f"There should only be 1 default per field but field {field} has {len(listed)}")
    return listed


class _Layout(NamedTuple):
    """How records are cut into fields; ``columns`` are those that are wanted, all if it is empty."""

    delimiter: bytes
    uses_quotes: bool
    columns: tuple[int, ...]

    def fields(self, record: bytes) -> list[bytes]:
        """Returns the wanted fields that a record has. Raises INVALID_ARGUMENT for misplaced quotes and line ends."""
        if not record:
            return []
        if b"\n" in record or b"\r" in record or (self.uses_quotes and b'"' in record):
            return self._scanned(record)
        fields = record.split(self.delimiter)
        return [fields[column] for column in self.columns if column < len(fields)] if self.columns else fields

    def _scanned(self, record: bytes) -> list[bytes]:
        found: list[bytes] = []
        at = number = 0
        while at < len(record):
            if record[at] in _ENDS:
                at += 1
                continue
            if self.uses_quotes and record[at] == _QUOTE:
                field, at = self._quoted(record, at + 1)
            else:
                field, at = self._plain(record, at)
            if self._wants(number):
                found.append(field)
                if len(found) == len(self.columns):
                    return found
            number += 1
        if record.endswith(self.delimiter) and self._wants(number):
            found.append(b"")
        return found

    def _wants(self, number: int) -> bool:
        return not self.columns or number in self.columns

    def _plain(self, record: bytes, at: int) -> tuple[bytes, int]:
        """Returns the field that begins here, and where the next one does."""
        end = record.find(self.delimiter, at)
        field = record[at:] if end < 0 else record[at:end]
        if b"\n" in field or b"\r" in field or (self.uses_quotes and b'"' in field):
            raise invalid(f"Unquoted fields cannot have quotes/CRLFs inside: {field[:40]!r}")
        return field, at + len(field) + 1

    def _quoted(self, record: bytes, at: int) -> tuple[bytes, int]:
        pieces: list[bytes] = []
        last = len(record) - 1
        while at < last and record[at : at + 2] != b'"' + self.delimiter:
            if record[at] == _QUOTE:
                if record[at + 1] != _QUOTE:
                    raise invalid("Quote inside a string has to be escaped by another quote")
                pieces.append(b'"')
                at += 2
                continue
            quote = record.find(b'"', at, last)
            end = last if quote < 0 else quote
            pieces.append(record[at:end])
            at = end
        if at > last or record[at] != _QUOTE:
            raise invalid("Quoted field has to end with quote followed by delim or end")
        return b"".join(pieces), at + 2


class _Column:
    """The values of one field. ``faults`` has the first record without a value, with its error."""

    def __init__(self, field: int, dtype: DType, default: list[Any], missing: bytes) -> None:
        self._field = field
        self._dtype = dtype
        self._default = default
        self._missing = missing
        self.faults: list[tuple[int, int, TfgError]] = []

    def values(self, items: Sequence[bytes]) -> list[Any]:
        """Returns a value per record."""
        is_missing = [not item or item == self._missing for item in items]
        if any(is_missing) and not self._default:
            number = is_missing.index(True)
            self._add_fault(number, f"Field {self._field} is required but missing in record {number}!")
        given = [item for item, missing in zip(items, is_missing) if not missing]
        parsed = iter(given if self._dtype is dtypes.string else self._numbers(items, given, is_missing))
        return [
            self._default[0] if missing and self._default else next(parsed, None) for missing in is_missing
        ]

    def _numbers(self, items: Sequence[bytes], given: list[bytes], is_missing: list[bool]) -> list[Any]:
        try:
            return number_text.parse_all(given, self._dtype)
        except TfgError:
            parse = number_text.parser(self._dtype)
            for number, (item, missing) in enumerate(zip(items, is_missing)):
                try:
                    _ = missing or parse(item)
                except TfgError:
                    text = item.decode("utf-8", "replace")
                    words = f"Field {self._field} in record {number} is not a valid {self._dtype}: {text}"
                    self._add_fault(number, words)
                    break
            return []

    def _add_fault(self, record: int, words: str) -> None:
        self.faults.append((record, self._field, invalid(words)))
