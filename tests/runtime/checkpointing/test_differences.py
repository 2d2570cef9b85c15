"""Statistics of checkpoints' tensors and differences between them, against numpy's word on the whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import hypothesis.extra.numpy as npst
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tfg.graphfmt.tensors import Array
from tfg.runtime.checkpointing.differences import Tolerance, compare, differences
from tfg.runtime.checkpointing.tensor_statistics import chunk_slices, statistics

from .checkpoints import Memory, strings


@given(npst.array_shapes(max_dims=4, min_side=0, max_side=6), st.integers(1, 40))
def test_parts_follow_one_another(shape: tuple[int, ...], most: int) -> None:
    array = np.arange(int(np.prod(shape))).reshape(shape)
    reader = Memory({"a": array})
    found = [reader.read("a", part).reshape(-1) for part in chunk_slices(shape, most)]
    assert np.concatenate(found).tolist() == array.reshape(-1).tolist()
    assert all(part.size <= most for part in found)


@given(npst.arrays(np.float32, npst.array_shapes(max_side=5), elements=st.floats(width=32)))
def test_statistics_are_those_of_the_whole(array: Array) -> None:
    found = statistics(Memory({"a": array}), "a")
    assert found is not None
    numbers = array[~np.isnan(array)].astype(np.float64)
    assert found.nans == array.size - numbers.size
    if not numbers.size:
        assert found[:4] == (None,) * 4
        return
    assert (found.min, found.max) == (numbers.min(), numbers.max())
    if np.isfinite(numbers).all():
        scale = np.abs(numbers).max()
        assert found.mean == pytest.approx(numbers.mean(), rel=1e-9, abs=1e-9 * scale)
        assert found.std == pytest.approx(numbers.std(), rel=1e-9, abs=1e-9 * scale)


def test_statistics_of_many_pieces_are_joined() -> None:
    array = np.random.default_rng(0).normal(3, 2, (3, 2_000_000)).astype(np.float32)
    found = statistics(Memory({"a": array}), "a")
    assert found is not None
    assert found.mean == pytest.approx(array.mean(dtype=np.float64))
    assert found.std == pytest.approx(array.std(dtype=np.float64))


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([True, False]), (0, 1, 0.5, 0.5, 0)),
        (np.array([2**63 - 1], np.int64), (2**63 - 1, 2**63 - 1, 2.0**63, 0, 0)),
        (np.array([1, 3], ml_dtypes.bfloat16), (1, 3, 2, 1, 0)),
        (np.zeros((0, 3), np.float32), (None, None, None, None, 0)),
        (np.array(5, np.uint8), (5, 5, 5, 0, 0)),
    ],
)
def test_statistics_of_other_types(array: Array, expected: tuple[Any, ...]) -> None:
    assert statistics(Memory({"a": array}), "a") == expected


def test_what_has_no_order_has_no_statistics() -> None:
    assert statistics(Memory({"a": np.array([1j])}), "a") is None
    assert statistics(Memory({"a": strings(b"x")}), "a") is None


def found(a: Mapping[str, Any], b: Mapping[str, Any], **tolerance: float) -> dict[str, str]:
    names = sorted({*a, *b})
    return {d.name: d.how for d in differences(Memory(a), Memory(b), names, Tolerance(**tolerance))}


def test_only_what_differs_is_told() -> None:
    one = np.ones(3, np.float32)
    a = {"same": one, "a": one, "type": one, "shape": one, "value": one}
    b = {"same": one, "b": one, "type": one.astype(float), "shape": one[:2], "value": one * 2}
    assert found(a, b) == {"a": "only_a", "b": "only_b", "shape": "shape", "type": "dtype", "value": "values"}
    assert found(a, a) == {}


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1.0, 2.0, 4.0], [1.0, 2.5, 5.0], (2, (2,), 4.0, 5.0, 1.0, 0.2)),
        ([np.nan, np.inf, -np.inf], [np.nan, np.inf, -np.inf], None),
        ([np.nan, 1.0], [0.0, 1.0], (1, (0,), np.nan, 0.0, np.inf, np.inf)),
        ([0.0], [-0.0], None),
        (np.int64([-(2**63), 0]), np.int64([2**63 - 1, 1]), (2, (0,), -(2**63), 2**63 - 1, 2.0**64, 2.0)),
        (np.uint8([1, 255]), np.uint8([2, 255]), (1, (0,), 1, 2, 1.0, 0.5)),
        ([True, False], [True, True], (1, (1,), False, True, None, None)),
        (strings(b"a", b"b"), strings(b"a", b"c"), (1, (1,), b"b", b"c", None, None)),
        ([3 + 4j], [0j], (1, (0,), 3 + 4j, 0j, 5.0, np.inf)),
        (5.0, 5.0, None),
        (np.zeros((0, 2)), np.zeros((0, 2)), None),
    ],
)
def test_how_far_apart(a: Any, b: Any, expected: Any) -> None:
    result = compare(np.asarray(a), np.asarray(b), Tolerance())
    assert repr(None if result is None else tuple(map(plain, result))) == repr(expected)


def plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def test_tolerances() -> None:
    a, b = {"v": np.array([100.0, 1e-9])}, {"v": np.array([101.0, 0.0])}
    assert found(a, b) and found(a, b, relative=0.1) and found(a, b, absolute=1e-8)
    assert not found(a, b, relative=0.01, absolute=1e-8)
    assert not found(a, b, absolute=1)


def test_differences_of_many_pieces_are_joined() -> None:
    a = np.zeros((3, 2_000_000), np.float32)
    b = a.copy()
    b[0, 7], b[2, 1_999_999] = 1, -3
    (difference,) = differences(Memory({"a": a}), Memory({"a": b}), ["a"], Tolerance())
    assert difference.values is not None
    assert (difference.values.elements, difference.values.at, difference.values.absolute) == (
        2,
        (2, 1_999_999),
        3,
    )
