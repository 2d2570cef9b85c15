"""Tensors as serialized TensorProto messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt import dtypes
from ...graphfmt.errors import TfgError, invalid
from ...graphfmt.shapes import Shape
from ...graphfmt.tensors import TensorValue

if TYPE_CHECKING:
    from ...graphfmt.dtypes import DType


def to_message(array: Any, dtype: DType) -> bytes:
    """Returns a tensor as a serialized TensorProto: strings as such, other dtypes as the bytes of their elements."""
    from ...graphfmt.proto import tensor_pb2, to_proto

    shape = Shape(tuple(array.shape))
    if dtype is dtypes.string:
        elements = tuple(bytes(item) for item in array.reshape(-1).tolist())
        value = TensorValue(dtype, shape, values={"string_val": elements} if elements else {})
    else:
        value = TensorValue(dtype, shape, content=np.ascontiguousarray(array).tobytes())
    message = tensor_pb2.TensorProto()
    to_proto.fill_tensor(message, value)
    return message.SerializeToString(deterministic=True)


def from_message(data: Any, dtype: DType, what: str) -> Any:
    """Returns the tensor of a serialized TensorProto.

    Raises INVALID_ARGUMENT for damaged bytes, which the message calls ``what``, and for another dtype.
    """
    from google.protobuf.message import DecodeError

    from ...graphfmt.proto import from_proto, tensor_pb2

    message = tensor_pb2.TensorProto()
    try:
        message.ParseFromString(data)
        value = from_proto.tensor_of(message)
        array = value.array()
    except (DecodeError, TfgError, TypeError) as error:
        raise invalid(f"Could not parse {what} as TensorProto: {bytes(data)[:40]!r}") from error
    if value.dtype is not dtype:
        raise invalid(f"Type mismatch between parsed tensor ({value.dtype}) and dtype ({dtype}) of {what}")
    return array
