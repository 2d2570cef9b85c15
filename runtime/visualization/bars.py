"""Spans of time as bars that can be seen: what is narrower than a pixel is drawn together with its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


class Span(NamedTuple):
    """Seconds; ``what`` is the number of whatever takes them."""

    start: float
    finish: float
    what: int


class Bar(NamedTuple):
    """``busy`` are the seconds that its spans take of it."""

    start: float
    finish: float
    busy: float
    what: Sequence[int]


def merge_spans(spans: Iterable[Span], pixel: float) -> list[Bar]:
    """The bars of one row. Spans of less than ``pixel`` seconds join those before
    them, if these are as small and end less than a pixel before. Those of no time are left out."""
    runs: list[list[Span]] = []
    joins = False
    for span in sorted(span for span in spans if span.finish > span.start):
        is_small = span.finish - span.start < pixel
        if is_small and joins and span.start - runs[-1][-1].finish < pixel:
            runs[-1].append(span)
        else:
            runs.append([span])
        joins = is_small
    return [
        Bar(run[0].start, run[-1].finish, sum(s.finish - s.start for s in run), [s.what for s in run])
        for run in runs
    ]


def memory_levels(
    start: NDArray[np.float64],
    finish: NDArray[np.float64],
    size: NDArray[np.int64],
    until: float,
    pixels: int,
) -> Sequence[float]:
    """The most bytes that are held within each of so many pixels of the time from 0 to ``until``."""
    if not until or not pixels:
        return [0.0] * pixels
    when = np.concatenate([finish, start])
    order = np.argsort(when, kind="stable")  # what ends goes before what begins
    level = np.cumsum(np.concatenate([-size, size])[order]).astype(np.float64)
    at = np.minimum((when[order] / until * pixels).astype(np.intp), pixels - 1)
    most = np.zeros(pixels)
    np.maximum.at(most, at, level)
    # A pixel in which nothing changes holds what the one before had in the end.
    last = np.full(pixels, -1, np.intp)
    last[at] = np.arange(len(at))
    last = np.maximum.accumulate(last)
    before = np.concatenate([[-1], last[:-1]])
    held = np.where(before >= 0, level[np.maximum(before, 0)] if len(level) else 0.0, 0.0)
    return np.maximum(most, held).tolist()


def ticks(until: float, most: int) -> list[float]:
    """Round times from 0 on, at most so many of them."""
    if not until:
        return [0.0]
    step = 10.0 ** np.floor(np.log10(until / most))
    step = next(step * factor for factor in (1, 2, 5, 10, 20) if until / (step * factor) < most)
    return [float(step * i) for i in range(int(until / step) + 1)]
