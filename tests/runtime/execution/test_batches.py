"""Batches: every row once an epoch, in an order that follows from the seed and the epoch alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tfg
from hypothesis import given
from hypothesis import strategies as st
from tfg.runtime.execution.batches import Batches, Position, make_batches


def rows(count: int) -> Any:
    return np.arange(count)


def epoch(batches: Batches, number: int = 0) -> list[Any]:
    position, found = Position(number), []
    while position.epoch == number:
        found.append(batches.at(position)["x"])
        position = batches.after(position)
    assert position == Position(number + 1)
    return found


@given(st.integers(1, 40), st.integers(1, 50), st.booleans(), st.integers(0, 3))
def test_an_epoch_has_every_row_once(count: int, size: int, shuffle: bool, number: int) -> None:
    batches = make_batches({"x": rows(count)}, size, shuffle=shuffle, seed=5)
    found = epoch(batches, number)
    assert len(found) == batches.per_epoch
    assert all(len(batch) == size for batch in found[:-1])
    assert sorted(np.concatenate(found).tolist()) == list(range(count))


@given(st.integers(1, 40), st.integers(1, 50))
def test_only_whole_batches_leave_out_the_rest(count: int, size: int) -> None:
    if size > count:
        with pytest.raises(tfg.TfgError):
            make_batches({"x": rows(count)}, size, only_whole=True)
        return
    found = epoch(make_batches({"x": rows(count)}, size, only_whole=True))
    assert [len(batch) for batch in found] == [size] * (count // size)


def test_unshuffled_rows_come_in_order() -> None:
    found = epoch(make_batches({"x": rows(7)}, 3))
    assert [batch.tolist() for batch in found] == [[0, 1, 2], [3, 4, 5], [6]]


def test_rows_of_several_feeds_stay_together() -> None:
    batches = make_batches({"x": rows(9), "y": rows(9) * 10}, 4, shuffle=True)
    for number in range(3):
        feeds = batches.at(Position(number, 1))
        assert (feeds["y"] == feeds["x"] * 10).all()


def test_the_order_follows_from_seed_and_epoch_alone() -> None:
    def order(seed: int, number: int) -> list[int]:
        return np.concatenate(
            epoch(make_batches({"x": rows(30)}, 4, shuffle=True, seed=seed), number)
        ).tolist()

    assert order(1, 2) == order(1, 2)
    assert len({tuple(order(seed, number)) for seed in range(3) for number in range(3)}) == 9


@pytest.mark.parametrize(
    ("arrays", "size", "why"),
    [
        ({}, 3, "at least one feed from a file"),
        ({"x": rows(3), "y": rows(4)}, 2, "x has 3, y has 4"),
        ({"x": rows(0)}, 2, "no batch of 2 can be made of 0 rows"),
    ],
)
def test_what_cannot_be_cut(arrays: Any, size: int, why: str) -> None:
    with pytest.raises(tfg.TfgError, match=why) as caught:
        make_batches(arrays, size)
    assert caught.value.status == "INVALID_ARGUMENT"
