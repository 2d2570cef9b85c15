"""Tensors in graph files (TensorProto), and their conversion to and from numpy.

A TensorProto has its elements as raw bytes (``tensor_content``) or in a typed field, whose last value is repeated to
fill the shape. The encoding is kept as read, so that it is written back unchanged; it is converted to an array only on
demand, so that a shape alone never allocates memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from . import dtypes
from .errors import Status, TfgError, invalid
from .shapes import Shape, check_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .dtypes import DType

Array = np.ndarray[Any, np.dtype[Any]]

# The typed field for the elements of each dtype (tensor.proto).
FIELD_OF: Mapping[str, str] = {
    "float": "float_val",
    "double": "double_val",
    "int32": "int_val",
    "int16": "int_val",
    "int8": "int_val",
    "uint8": "int_val",
    "uint16": "int_val",
    "qint8": "int_val",
    "quint8": "int_val",
    "qint16": "int_val",
    "quint16": "int_val",
    "qint32": "int_val",
    "int4": "int_val",
    "uint4": "int_val",
    "int2": "int_val",
    "uint2": "int_val",
    "string": "string_val",
    "complex64": "scomplex_val",
    "complex128": "dcomplex_val",
    "int64": "int64_val",
    "bool": "bool_val",
    "half": "half_val",
    "bfloat16": "half_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "float8_e5m2": "float8_val",
    "float8_e4m3fn": "float8_val",
    "float8_e4m3fnuz": "float8_val",
    "float8_e4m3b11fnuz": "float8_val",
    "float8_e5m2fnuz": "float8_val",
    "float4_e2m1fn": "float8_val",
    "resource": "resource_handle_val",
    "variant": "variant_val",
}

# The limit, in bytes, of a tensor that repeats the last of several values: a few bytes of a file must not allocate
# all memory.
_MAX_REPEATED_BYTES = 1 << 30

# The size in bytes of an element of an array of strings or other objects.
_POINTER = 8


@dataclass(frozen=True, slots=True)
class TensorValue:
    """A TensorProto. ``values`` maps each typed field in use to its elements as in the file.

    ``half_val`` has bit patterns, ``scomplex_val`` real and imaginary parts in turn, ``float8_val`` one bytes object.
    """

    dtype: DType
    shape: Shape
    content: bytes = b""
    values: Mapping[str, tuple[Any, ...]] = field(default_factory=dict[str, "tuple[Any, ...]"])
    version: int = 0

    def array(self) -> Array:
        """Returns the elements as a read-only array; a single value is broadcast without copying.

        Raises INVALID_ARGUMENT if dtype, shape and data do not match, RESOURCE_EXHAUSTED for too many repetitions.
        """
        shape = self._concrete_shape()
        check_bytes(shape, max(self.dtype.size, _POINTER))
        count = prod(shape)
        array = self._from_content(shape, count) if self.content else self._from_values(shape, count)
        array.flags.writeable = False
        return array

    def _concrete_shape(self) -> tuple[int, ...]:
        if not self.shape.is_fully_known:
            raise invalid(f"a tensor's value needs a fully known shape, not {self.shape}")
        return self.shape.known()

    def _from_content(self, shape: tuple[int, ...], count: int) -> Array:
        if self.dtype.name not in FIELD_OF or (self.dtype.is_opaque and self.dtype is not dtypes.string):
            raise invalid(f"tensor_content cannot hold {self.dtype}")
        if self.values:
            raise invalid(f"a tensor has both tensor_content and {next(iter(self.values))}")
        if self.dtype is dtypes.string:
            return _split_strings(self.content, count).reshape(shape)
        expected = count * self.dtype.size
        if len(self.content) != expected:
            raise invalid(
                f"tensor_content has {len(self.content)} bytes, but {self.dtype} of shape {self.shape} "
                f"needs {expected}"
            )
        if self.dtype is dtypes.bool_:
            if self.content.translate(None, b"\0\1"):
                raise invalid("tensor_content of bool may only hold bytes 0 and 1")
            return np.frombuffer(self.content, bool).reshape(shape)
        return np.frombuffer(self.content, self.dtype.numpy).reshape(shape)

    def _from_values(self, shape: tuple[int, ...], count: int) -> Array:
        name = FIELD_OF.get(self.dtype.name)
        if name is None:
            raise invalid(f"a tensor cannot be of dtype {self.dtype}")
        foreign = next((key for key in self.values if key != name), None)
        if foreign is not None:
            raise invalid(f"a tensor of dtype {self.dtype} has its elements in {name}, not in {foreign}")
        elements = _elements(self.dtype, self.values.get(name, ()))
        if elements.size > count:
            raise invalid(f"a tensor of shape {self.shape} has {elements.size} values, more than {count}")
        if elements.size == count:
            return elements.reshape(shape)
        if elements.size == 0:
            elements = np.array([_zero(self.dtype)], self.dtype.numpy)
        if elements.size == 1:
            return np.broadcast_to(elements.reshape(()), shape)
        if count * self.dtype.size > _MAX_REPEATED_BYTES:
            raise TfgError(
                Status.RESOURCE_EXHAUSTED,
                f"a tensor of shape {self.shape} states only {elements.size} values",
            )
        full = np.empty(count, self.dtype.numpy)
        full[: elements.size] = elements
        full[elements.size :] = elements[-1]
        return full.reshape(shape)


def from_array(array: Array, dtype: DType | None = None) -> TensorValue:
    """Returns the TensorValue of an array, encoded as TensorFlow does.

    The elements are raw bytes, except for strings, and for a scalar or an array of equal elements, which have one
    typed value.
    """
    dtype = dtypes.of_numpy(array.dtype) if dtype is None else dtype
    shape = Shape(tuple(array.shape))
    if dtype is dtypes.string:
        elements = tuple(x.encode() if isinstance(x, str) else bytes(x) for x in array.ravel().tolist())
        return TensorValue(dtype, shape, values={"string_val": elements} if elements else {})
    array = np.ascontiguousarray(array, dtype.numpy).reshape(array.shape)
    if array.size == 0:
        return TensorValue(dtype, shape)
    flat = array.reshape(-1)
    raw = flat.view(np.uint8).reshape(flat.size, -1)
    if flat.size == 1 or bool((raw == raw[0]).all()):
        return TensorValue(dtype, shape, values={FIELD_OF[dtype.name]: _encode_one(dtype, flat[0])})
    return TensorValue(dtype, shape, content=array.tobytes())


def _encode_one(dtype: DType, value: Any) -> tuple[Any, ...]:
    name = FIELD_OF[dtype.name]
    if name == "half_val":
        return (int(np.asarray(value).view(np.uint16)),)
    if name == "float8_val":
        return (np.asarray(value).tobytes(),)
    if dtype.is_complex:
        return (float(value.real), float(value.imag))
    if name in ("float_val", "double_val"):
        return (float(value),)
    return (bool(value),) if name == "bool_val" else (int(value),)


def _split_strings(content: bytes, count: int) -> Array:
    """Returns the strings in tensor_content, which has all lengths as varints, then all bytes."""
    lengths: list[int] = []
    position = 0
    for _ in range(min(count, len(content) + 1)):
        length, position = _varint(content, position)
        lengths.append(length)
    if len(lengths) != count or position + sum(lengths) != len(content):
        raise invalid(f"tensor_content has {len(content)} bytes, not {count} strings")
    vector = np.empty(count, object)
    for place, length in enumerate(lengths):
        vector[place] = content[position : position + length]
        position += length
    return vector


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(content) and shift < 35:
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise invalid(f"tensor_content has {len(content)} bytes, and ends within the length of a string")


def _zero(dtype: DType) -> Any:
    return b"" if dtype is dtypes.string else 0


def _elements(dtype: DType, values: tuple[Any, ...]) -> Array:
    """Returns the values of a typed field as a vector of the dtype."""
    name = FIELD_OF[dtype.name]
    if name == "float8_val":
        return np.frombuffer(b"".join(values), dtype.numpy)
    if name == "half_val":
        return np.array(_in_range(values, 0, 0xFFFF), np.uint16).view(dtype.numpy)
    if dtype.is_complex:
        if len(values) % 2:
            raise invalid(f"{name} needs pairs of real and imaginary parts, but has {len(values)} values")
        part = np.float32 if dtype is dtypes.complex64 else np.float64
        return np.array(values, part).view(dtype.numpy)
    if dtype.is_opaque:
        vector = np.empty(len(values), object)
        vector[:] = values
        return vector
    if dtype.is_integer or dtype.is_quantized:
        # As in TensorFlow, which casts int_val without a check: 300 in a uint8 tensor is 44.
        wide = np.uint64 if dtype is dtypes.uint64 else np.int64
        return np.array(values, wide).astype(dtype.numpy)
    return np.array(values, dtype.numpy)


def _in_range(values: tuple[int, ...], low: int, high: int) -> tuple[int, ...]:
    for value in values:
        if not low <= value <= high:
            raise invalid(f"half_val holds 16-bit patterns, not {value}")
    return values
