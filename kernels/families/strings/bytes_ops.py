"""EncodeBase64, DecodeBase64, DecodeRaw and DecodePaddedRaw: strings as bytes (base64_ops.cc, decode_raw_op.cc and
decode_padded_raw_op.cc in TensorFlow)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.string_tensors import map_strings, string_array

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

encode_base64 = op(
    "EncodeBase64(input: string; pad: bool = false) -> (output: string)",
    shape=shapes.like_input,
    differentiable=False,
    allocates_output=True,
)


@encode_base64.kernel
def _(xp: Any, text: Any, *, pad: bool) -> Any:
    """Encodes with the URL-safe alphabet, as TensorFlow does."""
    if pad:
        return map_strings(base64.urlsafe_b64encode, text)
    return map_strings(lambda item: base64.urlsafe_b64encode(item).rstrip(b"="), text)


decode_base64 = op(
    "DecodeBase64(input: string) -> (output: string)",
    shape=shapes.like_input,
    differentiable=False,
    allocates_output=True,
)

_BASE64 = re.compile(rb"([A-Za-z0-9_-]{4})*([A-Za-z0-9_-]{2}(==)?|[A-Za-z0-9_-]{3}=?)?")


@decode_base64.kernel
def _(xp: Any, text: Any) -> Any:
    return map_strings(_decode_base64, text)


def _decode_base64(item: bytes) -> bytes:
    if not _BASE64.fullmatch(item):
        raise invalid(f"the string {item[:40]!r} is not base64 in the alphabet that is safe in a URL")
    try:
        return base64.urlsafe_b64decode(item + b"=" * (-len(item) % 4))
    except binascii.Error as error:
        raise invalid(f"the string {item[:40]!r} is not base64: {error}") from None


def _raw_shape(c: ShapeContext) -> Shape:
    dims = c.input(0).dims
    return UNKNOWN if dims is None else Shape((*dims, None))


decode_raw = op(
    "DecodeRaw(bytes: string; out_type: type in {half, float, double, int32, uint16, uint8, int16, int8, "
    "int64, complex64, complex128, bool, bfloat16}, little_endian: bool = true) -> (output: out_type)",
    shape=_raw_shape,
    differentiable=False,
    allocates_output=True,
)


@decode_raw.kernel
def _(xp: Any, text: Any, *, out_type: DType, little_endian: bool) -> Any:
    array = string_array(text)
    items = array.reshape(-1).tolist()
    width = len(items[0]) if items else 0
    for place, item in enumerate(items):
        if len(item) != width:
            raise invalid(
                f"strings must be of one length, but element 0 has {width} bytes and element {place} has "
                f"{len(item)}"
            )
    if width % out_type.size:
        raise invalid(f"strings of {width} bytes are no multiple of the {out_type.size} bytes of {out_type}")
    shape = (*array.shape, width // out_type.size)
    return _numbers(b"".join(items), out_type, little_endian).reshape(shape)


def _numbers(data: bytes, dtype: DType, little_endian: bool) -> Any:
    if dtype.name == "bool":
        return np.frombuffer(data, np.uint8) != 0
    part = dtype.size // 2 if dtype.is_complex else dtype.size
    raw = np.frombuffer(bytearray(data), f"{'<' if little_endian else '>'}u{part}")
    return raw.astype(f"u{part}", copy=False).view(dtype.numpy)


def _padded_shape(c: ShapeContext) -> Shape:
    dims, length, dtype = c.input(0).dims, c.constant(1), c.bound.output_types[0]
    if c.input(1).rank not in (None, 0):
        raise invalid(f"fixed_length must be a scalar, but has shape {c.input(1)}")
    if dims is None:
        return UNKNOWN
    if length is None:
        return Shape((*dims, None))
    return Shape((*dims, _padded_width(int(length), dtype) // dtype.size))


def _padded_width(length: int, dtype: DType) -> int:
    if length <= 0 or length % dtype.size:
        raise invalid(
            f"fixed_length is {length}, but must be positive and a multiple of the {dtype.size} bytes of "
            f"{dtype}"
        )
    return length


decode_padded_raw = op(
    "DecodePaddedRaw(input_bytes: string, fixed_length: int32; out_type: type in {half, float, double, "
    "int32, uint16, uint8, int16, int8, int64, bfloat16}, little_endian: bool = true) -> (output: out_type)",
    shape=_padded_shape,
    differentiable=False,
    allocates_output=True,
)


@decode_padded_raw.kernel
def _(xp: Any, text: Any, fixed_length: Any, *, out_type: DType, little_endian: bool) -> Any:
    if fixed_length.ndim:
        raise invalid(f"fixed_length must be a scalar, but has shape {Shape(fixed_length.shape)}")
    width = _padded_width(int(fixed_length), out_type)
    array = string_array(text)
    data = b"".join(item[:width].ljust(width, b"\0") for item in array.reshape(-1).tolist())
    return _numbers(data, out_type, little_endian).reshape(*array.shape, width // out_type.size)
