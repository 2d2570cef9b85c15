"""Spans of time as bars, bytes held per pixel, and round times."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tfg.runtime.visualization.bars import Span, memory_levels, merge_spans, ticks


def test_what_is_narrower_than_a_pixel_is_drawn_together() -> None:
    spans = [Span(0, 5, 0), *(Span(5 + i / 10, 5.08 + i / 10, 1 + i) for i in range(20)), Span(8, 12, 21)]
    found = merge_spans(spans, pixel=1)
    assert [(bar.start, len(bar.what)) for bar in found] == [(0, 1), (5, 20), (8, 1)]
    assert abs(found[1].busy - 20 * 0.08) < 1e-9


def test_what_is_small_but_far_away_stands_alone() -> None:
    assert len(merge_spans([Span(0, 0.1, 0), Span(5, 5.1, 1)], pixel=1)) == 2


def test_what_takes_no_time_is_not_seen() -> None:
    assert merge_spans([Span(1, 1, 0)], pixel=1) == []


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9), st.integers(1, 9)), max_size=12))
def test_levels_are_the_most_of_each_pixel(intervals: list[tuple[int, int, int]]) -> None:
    """Beside a count at every half second."""
    start = np.array([s for s, _, _ in intervals], np.float64)
    finish = start + np.array([length for _, length, _ in intervals], np.float64)
    size = np.array([b for _, _, b in intervals], np.int64)
    found = memory_levels(start, finish, size, 50.0, 50)
    for pixel, level in enumerate(found):
        held = ((start <= pixel + 0.5) & (finish > pixel + 0.5)) @ size if intervals else 0
        assert level == held or held < level <= ((start <= pixel + 1) & (finish >= pixel)) @ size


def test_round_times() -> None:
    assert ticks(0.00104, 11) == [i * 1e-4 for i in range(11)] or len(ticks(0.00104, 11)) <= 11
    assert ticks(0.0, 5) == [0.0]
    assert np.allclose(ticks(7.0, 8), range(8)) or len(ticks(7.0, 8)) <= 8
