"""StringToNumber, AsString and StringFormat: numbers to text and back (as_string_op.cc,
string_format_op.cc in TensorFlow)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric import number_text, value_summary
from ...numeric.string_tensors import array_of, string_array

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ....graphfmt.dtypes import DType
    from ...core.binding import Binding

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

# A wider printf field is a mistake and could exhaust the memory.
_MAX_WIDTH = 1 << 20

string_to_number = op(
    "StringToNumber(string_tensor: string; out_type: type in {float, double, int32, int64, uint32, uint64} = "
    "float) -> (output: out_type)",
    shape=shapes.like_input,
    differentiable=False,
    allocates_output=True,
)


@string_to_number.kernel
def _(xp: Any, text: Any, *, out_type: DType) -> Any:
    array = string_array(text)
    return array_of(array.shape, number_text.parse_all(array.reshape(-1).tolist(), out_type), out_type.numpy)


as_string = op(
    "AsString(input: T; T: type in {float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, "
    "uint32, uint64, complex64, complex128, bool, variant, string}, precision: int = -1, "
    'scientific: bool = false, shortest: bool = false, width: int = -1, fill: string = "") -> '
    "(output: string)",
    shape=shapes.like_input,
    differentiable=False,
    kernel_types={
        "T": "float double int32 uint8 int16 int8 int64 bfloat16 uint16 half uint32 uint64 complex64 "
        "complex128 bool string"
    },
    allocates_output=True,
)


@as_string.bind
def _(b: Binding) -> Any:
    write = _writer(b.input_types[0], b.attrs)

    def as_strings(x: Any) -> Any:
        array = x if hasattr(x, "dtype") else string_array(x)
        items = array.astype(np.float32) if array.dtype.kind == "V" else array
        return array_of(array.shape, map(write, items.reshape(-1).tolist()))

    return as_strings


def _writer(dtype: DType, attrs: Any) -> Callable[[Any], bytes]:
    """Returns the function from an element to text, which formats like C's printf with these attributes. Raises
    INVALID_ARGUMENT for attributes that do not fit the dtype."""
    fill, width, precision = attrs["fill"], attrs["width"], attrs["precision"]
    inexact = dtype.is_floating or dtype.is_complex
    if not inexact and dtype.name != "string":
        if attrs["scientific"] or attrs["shortest"]:
            raise invalid(f"scientific and shortest are not for {dtype}")
        if precision > -1:
            raise invalid(f"precision {precision} is not for {dtype}")
    if attrs["scientific"] and attrs["shortest"]:
        raise invalid("scientific and shortest exclude each other")
    if len(fill) > 1 or fill not in " +-0#":
        raise invalid(f"fill is {fill!r}, but must be one of ' ', '+', '-', '0', '#', or empty")
    if width > _MAX_WIDTH or precision > _MAX_WIDTH:
        raise invalid(f"width {width} or precision {precision} is too large")
    field = str(width) if width > -1 else ""
    if dtype.name == "bool":
        return lambda x: b"true" if x else b"false"
    if dtype.name == "string":
        return partial(_pad, width, fill == "-")
    if not inexact:
        signed = fill if dtype.name.startswith("int") or fill not in ("+", " ") else ""
        return partial(_write, f"%{signed}{field}d".encode())
    conversion = "e" if attrs["scientific"] else "g" if attrs["shortest"] else "f"
    digits = f".{precision}" if precision > -1 else ""
    write = partial(_write_float, f"%{fill}{field}{digits}{conversion}".encode(), fill, field)
    if dtype.is_complex:
        return lambda x: b"(" + write(x.real) + b"," + write(x.imag) + b")"
    return write


def _write(form: bytes, value: Any) -> bytes:
    return form % value


def _write_float(form: bytes, fill: str, field: str, value: float) -> bytes:
    if value - value == 0:
        return form % value
    # As in C, Inf and NaN are never padded with zeros, and NaN has a sign.
    text = "nan" if value != value else "inf"
    sign = "-" if np.signbit(value) else fill if fill in ("+", " ") else ""
    return f"%{'-' if fill == '-' else ''}{field}s".encode() % (sign + text).encode()


def _pad(width: int, to_the_right: bool, item: bytes) -> bytes:
    return item.ljust(max(width, 0)) if to_the_right else item.rjust(max(width, 0))


string_format = op(
    'StringFormat(inputs: *T; T: list(type) >= 0, template: string = "%s", placeholder: string = "%s", '
    "summarize: int = 3) -> (output: string)",
    shape=shapes.scalar,
    allocates_output=True,
)


@string_format.kernel
def _(xp: Any, inputs: Sequence[Any], *, template: str, placeholder: str, summarize: int) -> Any:
    pieces = template.split(placeholder) if placeholder else [template]
    if len(pieces) != len(inputs) + 1:
        raise invalid(
            f"template {template!r} has {len(pieces) - 1} placeholders {placeholder!r}, but there are "
            f"{len(inputs)} inputs"
        )
    parts = [pieces[0]]
    for value, piece in zip(inputs, pieces[1:]):
        parts += [nested(value, summarize), piece]
    return array_of((), ["".join(parts).encode("utf-8", "surrogateescape")])


def nested(value: Any, limit: int) -> str:
    """Formats a tensor in brackets, one row per line: the first and last ``limit`` elements of each axis, or all if
    ``limit`` is negative."""
    array = value if hasattr(value, "dtype") else string_array(value)
    ends = array.size if limit < 0 else min(limit, array.size)
    return "".join(_nested(np.asarray(array), 0, ends))


def _nested(array: Any, depth: int, ends: int) -> list[str]:
    if not array.ndim:
        return [_quoted(array[()]) if ends else "..."]
    size = len(array)
    between = "\n" * (array.ndim - 1) + " " * (depth + 1 if array.ndim > 1 else 1)
    head = min(ends, (size + 1) // 2)
    groups = ["".join(_nested(array[i, ...], depth + 1, ends)) for i in range(head)]
    if 2 * head < size:
        groups += ["..."] if head else ["", "..."]
    groups += ["".join(_nested(array[i, ...], depth + 1, ends)) for i in range(max(head, size - head), size)]
    return ["[", between.join(groups), "]"]


def _quoted(item: Any) -> str:
    text = value_summary.format_element(item)
    return f'"{text}"' if isinstance(item, bytes) else text
