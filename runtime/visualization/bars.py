"""Bars of a schedule: spans of time, with those narrower than a pixel merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


class Span(NamedTuple):
    """A span of time in seconds; ``what`` is the number of its operation or transfer."""

    start: float
    finish: float
    what: int


class Bar(NamedTuple):
    """A bar; ``busy`` are the seconds that its spans cover."""

    start: float
    finish: float
    busy: float
    what: Sequence[int]


def merge_spans(spans: Iterable[Span], pixel: float) -> list[Bar]:
    """Returns the bars of one row. A span shorter than ``pixel`` seconds joins the previous ones if they are as
    short and end less than a pixel earlier. Empty spans are left out."""
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
    """Returns the most bytes held within each pixel of the time from 0 to ``until``."""
    if not until or not pixels:
        return [0.0] * pixels
    when = np.concatenate([finish, start])
    order = np.argsort(when, kind="stable")  # what ends goes before what begins
    level = np.cumsum(np.concatenate([-size, size])[order]).astype(np.float64)
    at = np.minimum((when[order] / until * pixels).astype(np.intp), pixels - 1)
    most = np.zeros(pixels)
    np.maximum.at(most, at, level)
    # A pixel without events holds the final level of the one before.
    last = np.full(pixels, -1, np.intp)
    last[at] = np.arange(len(at))
    last = np.maximum.accumulate(last)
    before = np.concatenate([[-1], last[:-1]])
    held = np.where(before >= 0, level[np.maximum(before, 0)] if len(level) else 0.0, 0.0)
    return np.maximum(most, held).tolist()


def ticks(until: float, most: int) -> list[float]:
    """Returns at most ``most`` round times from 0."""
    if not until:
        return [0.0]
    step = 10.0 ** np.floor(np.log10(until / most))
    step = next(step * factor for factor in (1, 2, 5, 10, 20) if until / (step * factor) < most)
    return [float(step * i) for i in range(int(until / step) + 1)]
