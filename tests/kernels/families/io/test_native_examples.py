"""Native code that parses tf.Example messages gives what protobuf gives, or leaves the message to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfg.graphfmt import dtypes
from tfg.graphfmt.errors import TfgError
from tfg.graphfmt.proto import example_pb2
from tfg.graphfmt.shapes import Shape
from tfg.kernels.families.io import native_examples
from tfg.kernels.families.io.examples import DenseFeature, ExampleBatch, RaggedFeature, SparseFeature

from .test_example_ops import example

pytest.importorskip("llvmlite")

FLOATS = st.lists(st.floats(width=32), max_size=5)
INTEGERS = st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=5)
STRINGS = st.lists(st.binary(max_size=200), max_size=3)
MESSAGES = st.fixed_dictionaries(
    {}, optional={"f": FLOATS, "i": INTEGERS, "s": STRINGS, "long name": INTEGERS, "other": FLOATS}
).map(lambda features: example(**features))
SPARSE = [SparseFeature("i", dtypes.int64), SparseFeature("f", dtypes.float32)]
RAGGED = [
    RaggedFeature("s", dtypes.string, dtypes.int32),
    RaggedFeature("long name", dtypes.int64, dtypes.int64),
]


@pytest.fixture(autouse=True)
def _compiles_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_examples, "_WORTH_COMPILING", 0)


def outcome(messages: list[bytes], dense: list[DenseFeature], *, native: bool) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        if not native:
            patch.setattr(native_examples, "scan", lambda *arguments: None)
        try:
            return [array.tolist() for array in ExampleBatch(messages).parse(SPARSE, dense, RAGGED).flat()]
        except TfgError as error:
            return str(error)


def is_native(messages: list[bytes]) -> bool:
    return native_examples.scan(messages, ["i", "f", "s", "long name"]) is not None


def dense(key: str, dtype: dtypes.DType, dims: tuple[int | None, ...], *default: Any) -> DenseFeature:
    return DenseFeature(key, dtype, Shape(dims), np.array(default, dtype.numpy))


DENSE = [
    [],
    [dense("d", dtypes.float32, (None,), 7)],
    [dense("e", dtypes.int64, (2,), 4, 5)],
    [dense("e", dtypes.int64, (2,))],
]


@settings(deadline=None)
@given(st.lists(MESSAGES, max_size=6))
def test_ordinary_messages_are_parsed_natively(messages: list[bytes]) -> None:
    assert is_native(messages)
    assert repr(outcome(messages, [], native=True)) == repr(outcome(messages, [], native=False))


@settings(deadline=None, max_examples=300)
@given(st.lists(MESSAGES, min_size=1, max_size=3), st.data())
def test_damaged_messages_are_left_to_protobuf(messages: list[bytes], data: st.DataObject) -> None:
    damaged = bytearray(messages[0])
    for _ in range(data.draw(st.integers(1, 3))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    messages[0] = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    slow = outcome(messages, [], native=False)
    # A key that is no UTF-8 is an error for protobuf, and nobody's key for native code and TensorFlow.
    if "Could not parse" not in slow or not is_native(messages):
        assert repr(outcome(messages, [], native=True)) == repr(slow)


def test_the_last_of_equal_keys_counts() -> None:
    twice = [example(i=[1], f=[2.0]) + example(i=[3, 4])]
    assert is_native(twice)
    assert outcome(twice, [], native=True)[2] == [3, 4]


def test_lists_that_are_not_packed_are_left_to_protobuf() -> None:
    entry = b"\x0a\x01i\x12\x06\x1a\x04\x08\x05\x08\x06"
    message = b"\x0a" + bytes([len(entry) + 2]) + b"\x0a" + bytes([len(entry)]) + entry
    assert example_pb2.Example.FromString(message).features.feature["i"].int64_list.value == [5, 6]
    assert not is_native([message])
    assert outcome([message], [], native=True)[2] == [5, 6]


def test_many_messages_are_parsed_in_chunks() -> None:
    messages = [example(i=list(range(n % 4)), s=[b"%d" % n], f=[float(n)]) for n in range(5000)]
    assert is_native(messages)
    assert outcome(messages, [], native=True) == outcome(messages, [], native=False)


@pytest.mark.parametrize("features", DENSE)
def test_dense_features(features: list[DenseFeature]) -> None:
    messages = [example(d=[1.0], e=[1, 2]), example(e=[3, 4], d=[1.0, 2.0]), example(d=[3.0, 4.0, 5.0])]
    assert outcome(messages, features, native=True) == outcome(messages, features, native=False)


@pytest.mark.parametrize("key", ["d", "i"])
def test_errors_are_those_of_protobuf(key: str) -> None:
    messages = [example(i=[1]), example(d=[1.0]), example(i=[2.0])]
    features = [dense(key, dtypes.int64, (1,), 9)]
    assert "Data types don't match" in outcome(messages, features, native=True)
    assert outcome(messages, features, native=True) == outcome(messages, features, native=False)
