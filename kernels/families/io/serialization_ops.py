"""Tensors as bytes: SerializeTensor, ParseTensor and DecodeCompressed (serialize_tensor and decode_compressed_op.cc in
TensorFlow)."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from google.protobuf.message import DecodeError

from ....graphfmt import dtypes
from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.proto import from_proto, tensor_pb2, to_proto
from ....graphfmt.shapes import UNKNOWN, Shape
from ....graphfmt.tensors import TensorValue
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.string_tensors import array_of, map_strings

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

serialize = op(
    "SerializeTensor(tensor: T; T: type) -> (serialized: string)", shape=shapes.scalar, differentiable=False
)


@serialize.kernel
def _(xp: Any, tensor: Any, *, T: DType) -> Any:
    array = tensor if isinstance(tensor, np.ndarray) else array_of((), [tensor], T.numpy)
    shape = Shape(tuple(array.shape))
    if T is dtypes.string:
        elements = tuple(bytes(item) for item in array.reshape(-1).tolist())
        value = TensorValue(T, shape, values={"string_val": elements} if elements else {})
    else:
        value = TensorValue(T, shape, content=np.ascontiguousarray(array).tobytes())
    message = tensor_pb2.TensorProto()
    to_proto.fill_tensor(message, value)
    return array_of((), [message.SerializeToString(deterministic=True)])


parse = op(
    "ParseTensor(serialized: string; out_type: type) -> (output: out_type)",
    shape=lambda c: UNKNOWN,
    differentiable=False,
)


@parse.kernel
def _(xp: Any, serialized: Any, *, out_type: DType) -> Any:
    if isinstance(serialized, np.ndarray) and serialized.ndim:
        raise invalid(f"Expected `serialized` to be a scalar, got shape: {Shape(tuple(serialized.shape))}")
    data: Any = serialized[()] if isinstance(serialized, np.ndarray) else serialized
    message = tensor_pb2.TensorProto()
    try:
        message.ParseFromString(data)
        value = from_proto.tensor_of(message)
        array = value.array()
    except (DecodeError, TfgError) as error:
        raise invalid(f"Could not parse `serialized` as TensorProto: {data[:40]!r}") from error
    if value.dtype is not out_type:
        raise invalid(f"Type mismatch between parsed tensor ({value.dtype}) and dtype ({out_type})")
    return array


decompress = op(
    'DecodeCompressed(bytes: string; compression_type: string = "") -> (output: string)',
    shape=shapes.like_input,
)

# zlib's parameter for the kind of wrapper.
_WINDOW_BITS = {"ZLIB": 15, "GZIP": 31}
_MOST_BYTES = 1 << 31


@decompress.kernel
def _(xp: Any, bytes: Any, *, compression_type: str) -> Any:
    if not compression_type:
        return bytes
    bits = _WINDOW_BITS.get(compression_type)
    if bits is None:
        raise invalid(
            f"Only ZLIB, GZIP or NONE are supported compressions, and compression_type is {compression_type!r}"
        )
    return map_strings(lambda data: _inflated(data, bits), bytes)


def _inflated(data: Any, bits: int) -> Any:
    inflate = zlib.decompressobj(bits)
    try:
        result = inflate.decompress(data, _MOST_BYTES)
    except zlib.error as error:
        raise TfgError(Status.DATA_LOSS, f"the compressed data is damaged: {error}") from error
    return result
