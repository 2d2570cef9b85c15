"""DecodeJSONExample: lists of every kind, both forms of names, errors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...harness import case, table_tests
from .test_example_ops import text


def feature(content: str) -> bytes:
    return f'{{"features": {{"feature": {{"f": {content}}}}}}}'.encode()


def decode(*messages: bytes, error: str | None = None) -> Any:
    return case("DecodeJSONExample", text(*messages), error=error)


CASES = [
    decode(
        b'{"features":{"feature":{"z":{"int64List":{"value":["1",2,-3]}},"b":{"bytesList":{"value":["aGk=", "-_8"]}}}}}'
    ),
    decode(feature('{"floatList": {"value": [1.5, "NaN", "-Infinity", 3]}}')),
    decode(feature('{"float_list": {"value": [1.5]}}'), feature('{"int64_list": {"value": []}}')),
    decode(feature("{}"), feature('{"bytesList": {}}'), feature('{"bytesList": null}')),
    decode(b"{}", b'{"features": null}', b'{"features": {}}'),
    decode(feature('{"int64List": {"value": ["9223372036854775807", "-9223372036854775808"]}}')),
    decode(),
    case("DecodeJSONExample", np.array(b"{}", object)),
    decode(b'{"other": 3}', error="INVALID_ARGUMENT: Error while parsing JSON"),
    decode(b"bad", error="INVALID_ARGUMENT: Error while parsing JSON"),
    decode(b"", error="INVALID_ARGUMENT: Error while parsing JSON"),
    decode(b"null", error="INVALID_ARGUMENT: Error while parsing JSON"),
    decode(feature('{"int64List": {"value": ["x"]}}'), error="INVALID_ARGUMENT: Error while parsing JSON"),
    decode(feature('{"floatList": {"value": [1e40]}}'), error="INVALID_ARGUMENT: Error while parsing JSON"),
    decode(feature("[1]"), error="INVALID_ARGUMENT: Error while parsing JSON"),
    decode(b"[" * 100_000, error="INVALID_ARGUMENT: Error while parsing JSON"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
