"""StringJoin, StringLength, Substr, case, strip, ReduceJoin and StringSplit (string_*_op.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import SCALAR, UNKNOWN, Shape, broadcast, matrix, vector
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.string_tensors import array_of, map_strings, string_array

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE, host_inputs="reduction_indices")
op = family.op


def _join_shape(c: ShapeContext) -> Shape:
    found = SCALAR
    unknown = False
    for shape in c.inputs():
        if shape.dims is None:
            unknown = True
        elif shape.dims:
            found = found.merge(shape) if found.dims else shape
    return UNKNOWN if unknown and not found.dims else found


string_join = op(
    'StringJoin(inputs: N*string; N: int >= 0, separator: string = "") -> (output: string)',
    shape=_join_shape,
    differentiable=False,
    allocates_output=True,
)


@string_join.kernel
def _(xp: Any, inputs: Sequence[Any], *, separator: str) -> Any:
    arrays = [string_array(x) for x in inputs]
    shape = next((a.shape for a in arrays if a.ndim), ())
    for array in arrays:
        if array.ndim and array.shape != shape:
            raise invalid(f"strings of shapes {Shape(shape)} and {Shape(array.shape)} cannot be joined")
    if not arrays:
        return array_of((), [b""])
    columns = [np.broadcast_to(a, shape).reshape(-1).tolist() for a in arrays]
    return array_of(shape, map(_bytes(separator).join, zip(*columns)))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


string_length = op(
    "StringLength(input: string; unit: string in {'BYTE', 'UTF8_CHAR'} = \"BYTE\") -> (output: int32)",
    shape=shapes.like_input,
    allocates_output=True,
)


@string_length.kernel
def _(xp: Any, text: Any, *, unit: str) -> Any:
    return map_strings(len if unit == "BYTE" else _characters, text, np.int32)


# The continuation bytes of UTF-8, which do not begin a character.
_CONTINUATION = bytes(range(0x80, 0xC0))


def _characters(item: bytes) -> int:
    return len(item.translate(None, _CONTINUATION))


def _substr_shape(c: ShapeContext) -> Shape:
    position = c.input(1).merge(c.input(2))
    return broadcast(c.input(0), position)


substr = op(
    "Substr(input: string, pos: T, len: T; T: type in {int32, int64}, "
    "unit: string in {'BYTE', 'UTF8_CHAR'} = \"BYTE\") -> (output: string)",
    shape=_substr_shape,
    allocates_output=True,
)


@substr.kernel
def _(xp: Any, text: Any, pos: Any, length: Any, *, unit: str) -> Any:
    if pos.shape != length.shape:
        raise invalid(
            f"pos and len must be of one shape, but are {Shape(pos.shape)} and {Shape(length.shape)}"
        )
    array = string_array(text)
    try:
        shape = np.broadcast_shapes(array.shape, pos.shape)
    except ValueError:
        raise invalid(
            f"strings of shape {Shape(array.shape)} and positions of shape {Shape(pos.shape)} do not "
            "broadcast"
        ) from None
    texts, starts, lengths = (np.broadcast_to(x, shape).reshape(-1).tolist() for x in (array, pos, length))
    cut = _cut_bytes if unit == "BYTE" else _cut_characters
    return array_of(shape, [cut(*item, place) for place, item in enumerate(zip(texts, starts, lengths))])


def _cut_bytes(text: bytes, start: int, length: int, place: int) -> bytes:
    first = _start(text, start, len(text), place)
    # As in TensorFlow, a negative length reaches to the end: it is converted to an unsigned number.
    return text[first : first + length] if length >= 0 else text[first:]


def _cut_characters(text: bytes, start: int, length: int, place: int) -> bytes:
    begins = [i for i, byte in enumerate(text) if byte & 0xC0 != 0x80]
    first = _start(text, start, len(begins), place)
    begins.append(len(text))
    last = min(first + max(length, 0), len(begins) - 1)
    return text[begins[first] : begins[last]]


def _start(text: bytes, start: int, size: int, place: int) -> int:
    if not -size <= start <= size:
        raise invalid(f"pos {start} is out of range for string {text!r} at index {place}")
    return start + size if start < 0 else start


def _changed(name: str, change: Callable[[str], str], ascii_change: Callable[[bytes], bytes]) -> None:
    declared = op(
        f'{name}(input: string; encoding: string = "") -> (output: string)',
        shape=shapes.like_input,
        allocates_output=True,
    )

    @declared.kernel
    def _(xp: Any, text: Any, *, encoding: str) -> Any:
        if encoding not in ("", "utf-8"):
            raise invalid(f"encoding is {encoding!r}, but must be 'utf-8' or empty")
        if not encoding:
            return map_strings(ascii_change, text)
        return map_strings(lambda item: change(item.decode("utf-8", "replace")).encode(), text)


_changed("StringLower", str.lower, bytes.lower)
_changed("StringUpper", str.upper, bytes.upper)

string_strip = op(
    "StringStrip(input: string) -> (output: string)", shape=shapes.like_input, allocates_output=True
)


@string_strip.kernel
def _(xp: Any, text: Any) -> Any:
    return map_strings(bytes.strip, text)


def _reduce_join_shape(c: ShapeContext) -> Shape:
    x, axes = c.input(0), c.constant(1)
    if (c.input(1).rank or 0) > 1:
        raise invalid(f"reduction_indices must be a vector or a scalar, but have shape {c.input(1)}")
    if x.dims is None:
        return UNKNOWN
    if axes is None:
        return Shape((None,) * len(x.dims)) if c.attr("keep_dims") else UNKNOWN
    gone = {axis % len(x.dims) for axis in axes.reshape(-1).tolist() if -len(x.dims) <= axis < len(x.dims)}
    if c.attr("keep_dims"):
        return Shape(tuple(1 if i in gone else d for i, d in enumerate(x.dims)))
    return Shape(tuple(d for i, d in enumerate(x.dims) if i not in gone))


reduce_join = op(
    "ReduceJoin(inputs: string, reduction_indices: int32; keep_dims: bool = false, "
    'separator: string = "") -> (output: string)',
    shape=_reduce_join_shape,
    differentiable=False,
    allocates_output=True,
)


@reduce_join.kernel
def _(xp: Any, text: Any, axes: Any, *, keep_dims: bool, separator: str) -> Any:
    array = string_array(text)
    gone: list[int] = []
    for axis in np.asarray(axes).reshape(-1).tolist():
        if not -array.ndim <= axis < array.ndim:
            raise TfgError(
                Status.OUT_OF_RANGE, f"reduction dimension {axis} is invalid for shape {Shape(array.shape)}"
            )
        gone.append(axis % array.ndim)
        if gone.count(gone[-1]) > 1:
            raise invalid(f"reduction dimension {axis} is given twice")
    kept = [i for i in range(array.ndim) if i not in gone]
    shape = tuple(array.shape[i] for i in kept)
    # The dimension named first is joined first.
    rows = array.transpose(*kept, *gone[::-1])
    width = int(np.prod([array.shape[i] for i in gone], dtype=np.int64))
    count = int(np.prod(shape, dtype=np.int64))
    joined = array_of((count,), map(_bytes(separator).join, rows.reshape(count, width).tolist()))
    return joined.reshape([1 if i in gone else d for i, d in enumerate(array.shape)] if keep_dims else shape)


def _split_shape(c: ShapeContext) -> list[Shape]:
    c.with_rank(0, 1)
    if c.input(1).rank not in (None, 0) and c.op.name == "StringSplitV2":
        raise invalid(f"sep must be a scalar, but has shape {c.input(1)}")
    return [matrix(None, 2), vector(None), vector(2)]


string_split = op(
    "StringSplit(input: string, delimiter: string; skip_empty: bool = true) -> "
    "(indices: int64, values: string, shape: int64)",
    shape=_split_shape,
    differentiable=False,
    allocates_output=True,
)
string_split_v2 = op(
    "StringSplitV2(input: string, sep: string; maxsplit: int = -1) -> "
    "(indices: int64, values: string, shape: int64)",
    shape=_split_shape,
    allocates_output=True,
)


@string_split.kernel
def _(xp: Any, text: Any, delimiter: Any, *, skip_empty: bool) -> tuple[Any, Any, Any]:
    mark = string_array(delimiter)
    if mark.size != 1:
        raise invalid(f"delimiter must be one string, but has shape {Shape(mark.shape)}")
    marks: bytes = mark.reshape(-1)[0]

    def split(item: bytes) -> list[bytes]:
        if not marks:
            return [item[i : i + 1] for i in range(len(item))]
        # Every byte of the delimiter separates.
        first = marks[:1]
        parts = item.translate(bytes.maketrans(marks, first * len(marks))).split(first) if item else []
        return [part for part in parts if part] if skip_empty else parts

    return _ragged(text, split)


@string_split_v2.kernel
def _(xp: Any, text: Any, sep: Any, *, maxsplit: int) -> tuple[Any, Any, Any]:
    mark = string_array(sep)
    if mark.ndim:
        raise invalid(f"sep must be a scalar, but has shape {Shape(mark.shape)}")
    separator: bytes = mark[()]

    def split(item: bytes) -> list[bytes]:
        if separator:
            return item.split(separator, maxsplit)
        return _by_space(item, maxsplit)

    return _ragged(text, split)


def _by_space(item: bytes, maxsplit: int) -> list[bytes]:
    """Splits at whitespace. Unlike Python's split, it appends an empty part if the last split leaves nothing."""
    if maxsplit < 0:
        return item.split()
    if maxsplit == 0:
        return [item]
    parts: list[bytes] = []
    rest = item.lstrip()
    while rest:
        if len(parts) == maxsplit:
            return [*parts, rest]
        word = rest.split(None, 1)[0]
        parts.append(word)
        rest = rest[len(word) :].lstrip()
    return [*parts, b""] if len(parts) == maxsplit else parts


def _ragged(text: Any, split: Callable[[bytes], list[bytes]]) -> tuple[Any, Any, Any]:
    """Splits a vector of strings, and returns the parts as a sparse matrix: indices, values and shape."""
    array = string_array(text)
    if array.ndim != 1:
        raise invalid(f"the input must be a vector, but has shape {Shape(array.shape)}")
    rows = [split(item) for item in array.tolist()]
    lengths = np.array([len(row) for row in rows], np.int64)
    total = int(lengths.sum())
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    indices = np.column_stack([np.repeat(np.arange(len(rows)), lengths), np.arange(total) - starts])
    values = array_of((total,), (item for row in rows for item in row))
    return indices.astype(np.int64), values, np.array([len(rows), lengths.max(initial=0)], np.int64)
