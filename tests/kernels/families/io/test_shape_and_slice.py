"""The specifications by which Save and Restore name a part of a tensor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tfg.graphfmt.checkpoints.entries import Slice
from tfg.graphfmt.errors import Status, TfgError
from tfg.kernels.families.io.shape_and_slice import SavedSlice, parse_saved_slice


def test_what_they_say() -> None:
    assert parse_saved_slice("") is None
    rows = parse_saved_slice("10 20 0,5:-")
    assert rows == SavedSlice((10, 20), Slice((0, 0), (5, -1)))
    assert rows is not None
    assert rows.slice_shape == (5, 20)
    assert not rows.is_whole
    whole = parse_saved_slice("10 20 -:0,20")
    assert whole is not None
    assert whole.is_whole


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("3", Status.INVALID_ARGUMENT),
        (" ", Status.INVALID_ARGUMENT),
        ("x 0,1", Status.INVALID_ARGUMENT),
        ("-3 0,1", Status.INVALID_ARGUMENT),
        ("3 0", Status.INVALID_ARGUMENT),
        ("3 0,0", Status.INVALID_ARGUMENT),
        ("3 -1,1", Status.INVALID_ARGUMENT),
        ("3 0,1,2", Status.INVALID_ARGUMENT),
        ("4 3  -:-", Status.INVALID_ARGUMENT),
        ("3 0,4", Status.INTERNAL),
        ("3 3,1", Status.INTERNAL),
        ("3 4 -", Status.INTERNAL),
    ],
)
def test_what_they_cannot_be(text: str, status: Status) -> None:
    with pytest.raises(TfgError) as caught:
        parse_saved_slice(text)
    assert caught.value.status == status


@given(st.text(alphabet="0123456789,:- x", max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse_saved_slice(text)
    except TfgError:
        return
    assert found is None or all(0 <= n <= size for n, size in zip(found.slice_shape, found.shape))
