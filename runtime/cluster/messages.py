"""Messages of a transport: a protobuf header with keys, dtypes and shapes, then one frame of bytes per value.

A frame is the memory of the array itself, so that nothing is copied on the way to the socket.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt import dtypes
from ...graphfmt.errors import Status, TfgError, invalid
from ...graphfmt.proto.transport_pb2 import Delivery
from ...kernels.core.device_memory import received_value
from ...kernels.families.control_flow.control_flow_ops import DEAD
from .transport import Parcel

if TYPE_CHECKING:
    from collections.abc import Sequence

# The message of a dead value and the like, which have no frame.
_NO_FRAME = b""


def encode(step: int, parcels: Sequence[Parcel]) -> list[Any]:
    """The frames of a message, the header first; arrays are passed on without a copy where they are contiguous.

    Raises UNIMPLEMENTED for a value that exists in one process alone: a resource, a variant.
    """
    header = Delivery(step=step)
    frames: list[Any] = []
    for key, sent in parcels:
        entry = header.value.add(key=key)
        if sent is DEAD:
            entry.is_dead = True
            continue
        frames.append(_encode_value(entry, received_value(sent)))
    return [header.SerializeToString(), *frames]


def _encode_value(entry: Delivery.Value, value: Any) -> Any:
    if not isinstance(value, np.ndarray | np.generic | bytes):
        raise TfgError(
            Status.UNIMPLEMENTED,
            f"a {type(value).__name__} cannot be sent from one task to another",
            hint="place the nodes that share it on one task",
        )
    array = np.asarray(value, object) if isinstance(value, bytes) else np.asarray(value)
    dtype = dtypes.of_numpy(array.dtype)
    entry.dtype = dtype.number
    entry.dim.extend(array.shape)
    if dtype is dtypes.string:
        return _encode_strings(entry, array)
    if not array.size:
        return _NO_FRAME
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _encode_strings(entry: Delivery.Value, array: Any) -> bytes:
    elements = array.reshape(-1).tolist()
    if not all(isinstance(element, bytes) for element in elements):
        raise TfgError(Status.UNIMPLEMENTED, "a variant cannot be sent from one task to another")
    entry.length.extend(map(len, elements))
    return b"".join(elements)


def decode(frames: Sequence[Any]) -> tuple[int, list[Parcel]]:
    """The step and the values of a message. Arrays are views of the frames.

    Raises INVALID_ARGUMENT for a message that is not well-formed.
    """
    header = Delivery()
    try:
        header.ParseFromString(bytes(frames[0]))
    except Exception as error:
        raise invalid(f"a message of another task is not well-formed: {error}") from error
    bodies = iter(frames[1:])
    return header.step, [Parcel(entry.key, _decode_value(entry, bodies)) for entry in header.value]


def _decode_value(entry: Delivery.Value, bodies: Any) -> Any:
    if entry.is_dead:
        return DEAD
    body = next(bodies, None)
    if body is None:
        raise _malformed(entry)
    shape = tuple(entry.dim)
    dtype = dtypes.of_number(entry.dtype)
    if any(size < 0 for size in shape):
        raise _malformed(entry)
    if dtype is dtypes.string:
        return _decode_strings(entry, shape, bytes(body))
    buffer = memoryview(body)
    if buffer.nbytes != prod(shape) * dtype.size:
        raise _malformed(entry)
    array = np.frombuffer(buffer, np.uint8).view(dtype.numpy).reshape(shape)
    return array if array.ndim else array[()]


def _decode_strings(entry: Delivery.Value, shape: tuple[int, ...], body: bytes) -> Any:
    ends = list(accumulate(entry.length, initial=0))
    if len(entry.length) != prod(shape) or ends[-1] != len(body):
        raise _malformed(entry)
    array = np.empty(prod(shape), object)
    array[:] = [body[begin:end] for begin, end in pairwise(ends)]
    return array.reshape(shape)


def _malformed(entry: Delivery.Value) -> TfgError:
    return invalid(f"a message of another task is not well-formed: the value under {entry.key!r}")
