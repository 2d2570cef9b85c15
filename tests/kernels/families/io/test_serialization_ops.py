from __future__ import annotations

import gzip
import zlib
from typing import Any

import numpy as np

from ...harness import case, f32, i32, rand, table_tests


def text(*items: bytes) -> Any:
    return np.array(items, object)


FLOATS = b"\x08\x01\x12\x04\x12\x02\x08\x02\x22\x08\x00\x00\x80\x3f\x00\x00\x00\x40"

CASES = [
    case("SerializeTensor", f32([[1, 2], [3, 4]])),
    case("SerializeTensor", i32(7)),
    case("SerializeTensor", np.array([True, False])),
    case("SerializeTensor", np.zeros((0, 3), np.int64)),
    case("SerializeTensor", text(b"a", b"", b"ccc")),
    case("SerializeTensor", np.array(b"one", object)),
    case("SerializeTensor", rand(2).astype(np.float16)),
    case("ParseTensor", np.array(FLOATS, object), out_type="float"),
    case("ParseTensor", np.array(b"\x08\x03\x12\x00\x3a\x01\x05", object), out_type="int32"),
    case("DecodeCompressed", text(b"plain", b"")),
    case("DecodeCompressed", text(zlib.compress(b"one"), zlib.compress(b"")), compression_type="ZLIB"),
    case("DecodeCompressed", np.array(gzip.compress(b"two" * 99, mtime=0), object), compression_type="GZIP"),
]

CASES += [
    case("ParseTensor", np.array(FLOATS, object), out_type="int32", error="INVALID_ARGUMENT: Type mismatch"),
    case(
        "ParseTensor",
        np.array(b"\xff\xff", object),
        out_type="int32",
        error="INVALID_ARGUMENT: Could not parse",
    ),
    case("ParseTensor", text(FLOATS), out_type="float", error="INVALID_ARGUMENT: scalar"),
    case("DecodeCompressed", text(b"plain"), compression_type="LZ4", error="INVALID_ARGUMENT: Only ZLIB"),
    case("DecodeCompressed", text(b"plain"), compression_type="GZIP", error="DATA_LOSS: damaged"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
