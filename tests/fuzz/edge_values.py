"""Values at the edges: of dtypes, shapes and attributes."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
from tfg.graphfmt import dtypes
from tfg.graphfmt.attributes import Function
from tfg.graphfmt.shapes import UNKNOWN, Shape

if TYPE_CHECKING:
    from tfg.graphfmt.dtypes import DType
    from tfg.graphfmt.signatures import Attr

INTEGERS = (
    0,
    1,
    -1,
    2,
    3,
    -2,
    5,
    64,
    255,
    1000,
    2**31 - 1,
    2**31,
    -(2**31),
    2**40,
    2**62,
    2**63 - 1,
    -(2**63),
)
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 3.0, 1e-30, 1e30, -1e30, float("nan"), float("inf"), float("-inf"))
STRINGS = (
    b"",
    b"a",
    b"\xff\xfe",
    b"0",
    b"-1",
    b"1.5e400",
    b"SAME",
    b"nan",
    b"(",
    b"%d",
    b"a" * 300,
    b"\0",
    "ü".encode(),
)
DIMS = (0, 1, 2, 3, 4, 5, 7)
HUGE = (2**31, 2**32, 2**40, 2**62, 2**63 - 1)
# Dtypes that tensors of the fuzzer have most often.
COMMON = (
    "float",
    "int32",
    "int64",
    "double",
    "bool",
    "string",
    "half",
    "bfloat16",
    "complex64",
    "uint8",
    "int8",
)


def shape(rng: Random) -> tuple[int, ...]:
    """Returns a small shape, often with a dimension of size 0 or 1."""
    return tuple(rng.choice(DIMS) for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 4, 5))))


def static_shape(rng: Random) -> Shape:
    """Returns a static shape: unknown, partly known, or of huge dimensions."""
    if rng.random() < 0.3:
        return UNKNOWN
    dims = [rng.choice((None, *DIMS)) for _ in range(rng.randrange(5))]
    if dims and rng.random() < 0.2:
        dims[rng.randrange(len(dims))] = rng.choice(HUGE)
    return Shape(tuple(dims))


def scalar(rng: Random, dtype: DType) -> Any:
    """Returns an element of a dtype as Python's or numpy's own."""
    if dtype is dtypes.string:
        return rng.choice(STRINGS)
    if dtype is dtypes.bool_:
        return rng.random() < 0.5
    if dtype.is_integer or dtype.is_quantized:
        return rng.choice(INTEGERS)
    return rng.choice(FLOATS)


def array(rng: Random, dtype: DType, dims: tuple[int, ...]) -> Any:
    """Returns an array: all equal, small, or at the edges of its dtype."""
    count = int(np.prod(dims, dtype=np.int64))
    if dtype is dtypes.string:
        flat = np.empty(count, object)
        flat[:] = [rng.choice(STRINGS) for _ in range(count)]
        return flat.reshape(dims)
    style = rng.randrange(4)
    if style == 0:
        values = [rng.randrange(3) for _ in range(count)]
    elif style == 1:
        values = [rng.randrange(4)] * count
    else:
        values = [scalar(rng, dtype) for _ in range(count)]
    return cast(np.array(values, object), dtype).reshape(dims)


def cast(values: Any, dtype: DType) -> Any:
    """Returns numbers as a dtype; integers wrap around."""
    flat = values.reshape(-1).tolist()
    if dtype is dtypes.string:
        out = np.empty(len(flat), object)
        out[:] = [x if isinstance(x, bytes) else str(x).encode() for x in flat]
        return out.reshape(values.shape)
    numbers = [_real(x) for x in flat]
    with np.errstate(all="ignore"):
        if dtype.is_integer or dtype.is_quantized:
            wrapped = [(_whole(x) + 2**63) % 2**64 - 2**63 for x in numbers]
            return np.array(wrapped, np.int64).astype(dtype.numpy).reshape(values.shape)
        return np.array(numbers, np.float64).astype(dtype.numpy).reshape(values.shape)


def _real(value: Any) -> float | int:
    return len(value) if isinstance(value, bytes) else value.real if isinstance(value, complex) else value


def _whole(value: float | int) -> int:
    return int(value) if abs(value) < 2**70 else 0


def attribute(rng: Random, spec: Attr) -> Any:
    """Returns a value of an attribute's kind: an allowed one most often."""
    kind = spec.kind
    if kind.startswith("list("):
        length = rng.choice((0, 1, 2, 3, 4, 4, 5))
        return tuple(_element(rng, kind[5:-1], spec) for _ in range(max(length, spec.minimum or 0)))
    return _element(rng, kind, spec)


def _element(rng: Random, kind: str, spec: Attr) -> Any:
    if spec.allowed and rng.random() < 0.95:
        return rng.choice(spec.allowed)
    match kind:
        case "int":
            value = rng.choice(INTEGERS) if rng.random() < 0.4 else rng.randrange(4)
            return value if spec.minimum is None or rng.random() < 0.05 else max(value, spec.minimum)
        case "float":
            return rng.choice(FLOATS)
        case "bool":
            return rng.random() < 0.5
        case "string":
            return rng.choice(STRINGS)
        case "shape":
            return static_shape(rng)
        case "type":
            return dtypes.BY_NAME[rng.choice(COMMON)]
        case "func":
            return Function("missing", {})
        case _:
            return None
