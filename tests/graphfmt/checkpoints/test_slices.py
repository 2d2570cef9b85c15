"""Parts of tensors."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfg.graphfmt import dtypes
from tfg.graphfmt.checkpoints.entries import Slice
from tfg.graphfmt.checkpoints.slices import (
    Region,
    assemble,
    parse_shape_and_slice,
    region_of,
    shape_and_slice_text,
)
from tfg.graphfmt.checkpoints.table.slice_keys import slice_key
from tfg.graphfmt.errors import Status, TfgError
from tfg.graphfmt.tensors import Array


def test_a_part_is_spelt_as_save_and_restore_do() -> None:
    shape, part = parse_shape_and_slice("10 20 0,5:-")
    assert shape == (10, 20)
    assert part == Slice((0, 0), (5, -1))
    assert region_of(part, shape) == (slice(0, 5), slice(0, 20))
    assert shape_and_slice_text(shape, part) == "10 20 0,5:-"


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        ("10", Status.INVALID_ARGUMENT, "Need least two elements in shape_and_slice specification: 10"),
        ("2  -", Status.INVALID_ARGUMENT, "Non numerical dimension in shape_and_slice: 2  -"),
        ("a -", Status.INVALID_ARGUMENT, "Non numerical dimension in shape_and_slice: a -"),
        ("99999999999999999999 -", Status.INVALID_ARGUMENT, "Non numerical dimension"),
        ("-2 -", Status.INVALID_ARGUMENT, "Non numerical dimension"),
        ("2 x", Status.INVALID_ARGUMENT, "Expected a pair of numbers or '-' but got 'x': string = x"),
        ("2 0,1,2", Status.INVALID_ARGUMENT, "Expected a pair of numbers or '-' but got '0,1,2'"),
        (
            "2 0,0",
            Status.INVALID_ARGUMENT,
            "Expected non-negative start and positive length but got start = 0, length = 0: string = 0,0",
        ),
        ("10 20 0,5", Status.INTERNAL, "Mismatching ranks: shape = [10,20], slice = 0,5"),
        ("3 0,5", Status.INTERNAL, "Extent in dimension 0 out of bounds: shape = [3], slice = 0,5"),
    ],
)
def test_what_is_no_part_is_refused_in_tensorflows_words(text: str, status: Status, message: str) -> None:
    with pytest.raises(TfgError) as caught:
        parse_shape_and_slice(text)
    assert caught.value.status is status
    assert message in caught.value.message


def test_keys_of_slices_are_tensorflows() -> None:
    assert slice_key("v", Slice((0, 2), (-1, 100))) == b"\x00v\x00\x01\x01\x02\x80\x7f\x82\xc0\x64"
    assert slice_key("a\0", Slice((), ())) == b"\x00a\x00\xff\x00\x01\x00"


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
@settings(derandomize=True, database=None, deadline=None)
def test_keys_sort_as_their_numbers_do(a: int, b: int) -> None:
    keys = [slice_key("v", Slice((number,), (1,))) for number in sorted((a, b))]
    assert keys == sorted(keys)


def _assembled(whole: Array, regions: list[Region], wanted: Region) -> Array:
    def locate(place: int):
        def fill(target: Array) -> None:
            target[...] = whole[regions[place]]

        return fill

    return assemble(dtypes.int64, wanted, regions, locate)


@given(st.data())
@settings(derandomize=True, database=None, deadline=None, max_examples=60)
def test_a_tensor_is_put_together_from_any_grid_of_parts(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)))
    cuts = [sorted({0, size, *data.draw(st.lists(st.integers(0, size), max_size=2))}) for size in shape]
    regions: list[Region] = [()]
    for edges in cuts:
        regions = [(*head, slice(a, b)) for head in regions for a, b in pairwise(edges)]
    starts = [data.draw(st.integers(0, size - 1)) for size in shape]
    wanted = tuple(slice(a, data.draw(st.integers(a + 1, n))) for a, n in zip(starts, shape))
    whole = np.arange(np.prod(shape)).reshape(shape)
    np.testing.assert_array_equal(_assembled(whole, regions, wanted), whole[wanted])
    lost = data.draw(st.integers(0, len(regions) - 1))
    with pytest.raises(TfgError, match="do not cover"):
        _assembled(whole, regions[:lost] + regions[lost + 1 :], tuple(slice(0, size) for size in shape))


def test_parts_that_overlap_are_refused() -> None:
    regions: list[Region] = [(slice(0, 3),), (slice(2, 4),), (slice(4, 6),)]
    with pytest.raises(TfgError, match="Overlapping slices: existing slice = 0,3, new slice = 2,2"):
        _assembled(np.arange(6), regions, (slice(0, 6),))
    assert _assembled(np.arange(6), regions, (slice(4, 6),)).tolist() == [4, 5]
