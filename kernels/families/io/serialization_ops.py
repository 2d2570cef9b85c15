"""Tensors as bytes: SerializeTensor, ParseTensor and DecodeCompressed (serialize_tensor and decode_compressed_op.cc in
TensorFlow)."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.string_tensors import array_of, map_strings
from ...numeric.tensor_messages import from_message, to_message

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
    return array_of((), [to_message(array, T)])


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
    return from_message(data, out_type, "`serialized`")


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
