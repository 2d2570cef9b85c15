"""Tensors: what cannot be, and what must stay cheap. Values are held against TensorFlow's elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tfg.graphfmt import dtypes
from tfg.graphfmt.errors import TfgError
from tfg.graphfmt.shapes import UNKNOWN, Shape
from tfg.graphfmt.tensors import FIELD_OF, TensorValue, from_array


@pytest.mark.parametrize(
    ("dtype", "dims", "fields"),
    [
        (dtypes.float32, (2,), {"values": {"int_val": (1, 2)}}),
        (dtypes.float32, (2,), {"values": {"float_val": (1.0, 2.0, 3.0)}}),
        (dtypes.float32, (2,), {"content": bytes(7)}),
        (dtypes.float32, (1,), {"content": bytes(4), "values": {"float_val": (1.0,)}}),
        (dtypes.float32, (0,), {"content": bytes(4)}),
        (dtypes.float32, (2**40, 2**40), {"values": {"float_val": (1.0,)}}),
        (dtypes.float32, (2**40,), {"values": {"float_val": (1.0, 2.0)}}),
        (dtypes.float32, (None,), {"values": {"float_val": (1.0,)}}),
        (dtypes.float32.ref, (1,), {"values": {"float_val": (1.0,)}}),
        (dtypes.float32.ref, (1,), {"content": bytes(4)}),
        (dtypes.INVALID, (0,), {}),
        (dtypes.INVALID, (4,), {"content": bytes(4)}),
        (dtypes.complex64, (1,), {"values": {"scomplex_val": (1.0,)}}),
        (dtypes.float16, (1,), {"values": {"half_val": (65536,)}}),
        (dtypes.bool_, (2,), {"content": b"\1\2"}),
        (dtypes.string, (2,), {"content": b"\x01\x03abc"}),
        (dtypes.string, (2**50,), {"content": b"\x01"}),
        (dtypes.string, (1,), {"content": b"\xff" * 9}),
        (dtypes.resource, (1,), {"content": b"a"}),
    ],
)
def test_contradictions_are_errors(dtype: Any, dims: tuple[Any, ...], fields: dict[str, Any]) -> None:
    with pytest.raises(TfgError):
        TensorValue(dtype, Shape(dims), **fields).array()


def test_unknown_shapes_have_no_value() -> None:
    with pytest.raises(TfgError):
        TensorValue(dtypes.float32, UNKNOWN).array()


@pytest.mark.parametrize("values", [{}, {"float_val": (7.0,)}])
def test_a_claimed_size_costs_nothing(values: dict[str, tuple[float, ...]]) -> None:
    array = TensorValue(dtypes.float32, Shape((2**20, 2**20)), values=values).array()
    assert array.shape == (2**20, 2**20) and array[5, 6] == (7.0 if values else 0.0)
    assert not array.flags.writeable


@pytest.mark.parametrize(
    "dtype", [d for d in dtypes.DTYPES if d.name in FIELD_OF and not d.is_opaque], ids=str
)
@pytest.mark.parametrize("elements", [[0, 1, 1], [1, 1, 1], [1], []])
def test_arrays_survive(dtype: Any, elements: list[int]) -> None:
    array = np.array(elements).astype(dtype.numpy)
    made = from_array(array, dtype)
    assert made.array().dtype == array.dtype and made.array().tobytes() == array.tobytes()
    assert len(made.content) <= array.nbytes


def test_strings_survive() -> None:
    array = np.array([[b"a", b"\xff"], ["é", b""]], object)
    assert from_array(array).array().tolist() == [[b"a", b"\xff"], ["é".encode(), b""]]


def test_strings_in_content() -> None:
    content = b"\xc8\x01\x00\x02" + b"x" * 200 + b"ab"
    found = TensorValue(dtypes.string, Shape((3,)), content).array().tolist()
    assert found == [b"x" * 200, b"", b"ab"]
