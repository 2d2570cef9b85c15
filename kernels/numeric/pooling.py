"""Max and average pooling over any number of spatial axes, in channels-last layout.

Both are separable: axes are reduced one after the other, by one elementwise operation per tap. Work proceeds a few
images at a time, so that intermediate results stay in the cache.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .convolution import accumulator_dtype

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .windows import Slices, Window

_CACHED_BYTES = 1 << 20
# The value of ml_dtypes.finfo(bfloat16).max, without importing ml_dtypes.
_LOWEST_BFLOAT16 = -3.3895313892515355e38
_BITS = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}


def _blocks(xp: Any, batch: int, bytes_per_image: int) -> Iterator[slice]:
    """Returns slices of the batch that are small enough for the cache; all of it on a GPU."""
    step = max(1, batch if xp is not np else _CACHED_BYTES // max(1, bytes_per_image))
    for first in range(0, batch, step):
        yield slice(first, first + step)


def lowest_finite(dtype: Any) -> Any:
    """The least finite value of a dtype."""
    if dtype.kind in "iu":
        return np.iinfo(dtype).min
    return np.finfo(dtype).min if dtype.kind == "f" else _LOWEST_BFLOAT16


def max_pool(xp: Any, x: Any, win: Window) -> Any:
    """Returns the maximum of each window."""
    result = xp.empty((x.shape[0], *win.outputs, x.shape[-1]), x.dtype)
    for images in _blocks(xp, x.shape[0], x[:1].nbytes):
        part = x[images]
        for axis in range(len(win.size)):
            target = result[images] if axis == len(win.size) - 1 else None
            part = _fold_along(xp, xp.maximum, lowest_finite(x.dtype), part, win, axis, target)
    return result


def _fold_along(
    xp: Any, combine: Any, neutral: Any, x: Any, win: Window, axis: int, target: Any = None
) -> Any:
    """Reduces one axis with a binary function, into ``target`` if given."""
    if target is None:
        target = _empty_reduced(xp, x, win, axis)
    taps = list(win.taps_of(axis))
    complete = next((t for t in taps if t[1] == slice(0, win.outputs[axis])), None)
    lead = (slice(None),) * (axis + 1)
    target[...] = neutral if complete is None else x[(*lead, complete[2])]
    for tap in taps:
        if tap is not complete:
            part = target[(*lead, tap[1])]
            combine(part, x[(*lead, tap[2])], out=part)
    return target


def _empty_reduced(xp: Any, x: Any, win: Window, axis: int) -> Any:
    return xp.empty((*x.shape[: axis + 1], win.outputs[axis], *x.shape[axis + 2 :]), x.dtype)


def _counts_along(win: Window, axis: int) -> Any:
    """Returns the number of elements in each window along an axis, padding not counted."""
    starts = np.arange(win.outputs[axis]) * win.strides[axis] - win.pads[axis][0]
    ends = np.minimum(starts + win.size[axis], win.inputs[axis])
    return np.maximum(ends - np.maximum(starts, 0), 1)


@lru_cache(256)
def _reciprocal_counts(win: Window) -> Any:
    """Returns one over the number of elements in each window, with an axis of size 1 for channels."""
    counts = np.ones((), np.int64)
    for axis in range(len(win.size)):
        counts = counts[..., None] * _counts_along(win, axis)
    return (1.0 / counts)[..., None]


def _scale(xp: Any, win: Window, dtype: Any) -> Any:
    if not any(map(any, win.pads)):
        return dtype.type(1.0 / math.prod(win.size))
    return xp.asarray(_reciprocal_counts(win).astype(dtype))


def avg_pool(xp: Any, x: Any, win: Window) -> Any:
    """Returns the mean of each window, padding not counted."""
    wide = accumulator_dtype(x.dtype)
    result = xp.empty((x.shape[0], *win.outputs, x.shape[-1]), x.dtype)
    scale = _scale(xp, win, wide)
    for images in _blocks(xp, x.shape[0], x[:1].nbytes):
        part = x[images].astype(wide, copy=False)
        for axis in range(len(win.size)):
            part = _fold_along(xp, xp.add, 0, part, win, axis)
        xp.multiply(part, scale, out=result[images], casting="same_kind")
    return result


def avg_pool_grad(xp: Any, dy: Any, win: Window) -> Any:
    """Distributes the gradient of each window in equal shares to its elements."""
    wide = accumulator_dtype(dy.dtype)
    result = xp.empty((dy.shape[0], *win.inputs, dy.shape[-1]), dy.dtype)
    scale = _scale(xp, win, wide)
    for images in _blocks(xp, dy.shape[0], result[:1].nbytes):
        part = dy[images].astype(wide, copy=False) * scale
        for axis in reversed(range(len(win.size))):
            part = _spread_along(xp, part, win, axis)
        result[images] = part
    return result


def _spread_along(xp: Any, dy: Any, win: Window, axis: int) -> Any:
    target = xp.zeros((*dy.shape[: axis + 1], win.inputs[axis], *dy.shape[axis + 2 :]), dy.dtype)
    lead = (slice(None),) * (axis + 1)
    for _, outs, ins in win.taps_of(axis):
        target[(*lead, ins)] += dy[(*lead, outs)]
    return target


@lru_cache(256)
def _numbered_taps(win: Window) -> tuple[tuple[int, Slices, Slices], ...]:
    """Yields the taps in row-major order with their number within the window."""
    return tuple((int(np.ravel_multi_index(tap, win.size)), outs, ins) for tap, outs, ins in win.taps())


@lru_cache(256)
def _first_taps(win: Window) -> tuple[tuple[Any, ...], Any]:
    """Returns the first element of each window: its index in the input per axis, and the number of its tap."""
    places: list[Any] = []
    number = np.zeros((), np.int64)
    for axis in range(len(win.size)):
        starts = np.arange(win.outputs[axis]) * win.strides[axis] - win.pads[axis][0]
        first = np.maximum(starts, 0)
        places.append(np.minimum(first, win.inputs[axis] - 1))
        number = number[..., None] * win.size[axis] + (first - starts)
    return np.ix_(*places), number[..., None]


def _argmax_taps(xp: Any, x: Any, win: Window) -> Any:
    """Returns the number of the tap at which each window has its maximum.

    That is the first in row-major order where several are equal, and the first element where that is NaN.
    """
    taps = _numbered_taps(win)
    largest = math.prod(win.size) - 1
    small = np.uint8 if largest < 256 else np.int32
    places, numbers = _first_taps(win)
    best = x[(slice(None), *(xp.asarray(p) for p in places))]
    winners = xp.empty(best.shape, small)
    winners[...] = xp.asarray(numbers.astype(small))
    floating = x.dtype.kind not in "iu"
    if floating:
        best[xp.isnan(best)] = np.inf
    greater = xp.fmax if floating else xp.maximum
    for number, outs, ins in taps:
        candidates, current, at = x[:, *ins], best[:, *outs], winners[:, *outs]
        wins = (candidates > current).view(np.uint8)
        xp.maximum(at, wins * small(number), out=at)
        greater(current, candidates, out=current)
    return winners


def _select(xp: Any, mask: Any, values: Any) -> Any:
    """Returns the values where the mask is set and zeros elsewhere, by masking bits, which is faster than a choice."""
    bits = _BITS[values.dtype.itemsize]
    chosen = mask.view(np.int8).astype(bits)
    xp.negative(chosen, out=chosen)
    chosen &= values.view(bits)
    return chosen.view(values.dtype)


def max_pool_grad(xp: Any, x: Any, dy: Any, win: Window) -> Any:
    """Passes the gradient of each window on to its first maximum."""
    dx = xp.zeros(x.shape, x.dtype)
    if not dy.size:
        return dx
    for images in _blocks(xp, x.shape[0], x[:1].nbytes):
        winners, upstream, target = _argmax_taps(xp, x[images], win), dy[images], dx[images]
        for number, outs, ins in _numbered_taps(win):
            target[:, *ins] += _select(xp, winners[:, *outs] == number, upstream[:, *outs])
    return dx


def max_pool_grad_of_ties(xp: Any, x: Any, y: Any, dy: Any, win: Window) -> Any:
    """Passes the gradient of each window on to every element that equals its maximum, ``y``, as TensorFlow's
    MaxPool3DGrad does; the sums are in the order of the windows."""
    dx = xp.zeros(x.shape, x.dtype)
    if not dy.size:
        return dx
    for images in _blocks(xp, x.shape[0], x[:1].nbytes):
        part, maxima, upstream, target = x[images], y[images], dy[images], dx[images]
        for _, outs, ins in reversed(_numbered_taps(win)):
            target[:, *ins] += _select(xp, part[:, *ins] == maxima[:, *outs], upstream[:, *outs])
    return dx


def max_pool_grad_grad(xp: Any, x: Any, ddx: Any, win: Window) -> Any:
    """Returns, for each window, the element of ``ddx`` at the position of the maximum of x."""
    result = xp.zeros((x.shape[0], *win.outputs, x.shape[-1]), x.dtype)
    if not result.size:
        return result
    for images in _blocks(xp, x.shape[0], x[:1].nbytes):
        winners, upstream, target = _argmax_taps(xp, x[images], win), ddx[images], result[images]
        for number, outs, ins in _numbered_taps(win):
            target[:, *outs] += _select(xp, winners[:, *outs] == number, upstream[:, *ins])
    return result


def max_pool_with_argmax(xp: Any, x: Any, win: Window, with_batch: bool, index_type: Any) -> tuple[Any, Any]:
    """Returns the maxima and their index in the flattened image, or in the flattened batch if ``with_batch``."""
    shape = (x.shape[0], *win.outputs, x.shape[-1])
    if not math.prod(shape):
        return xp.empty(shape, x.dtype), xp.empty(shape, index_type)
    winners = _argmax_taps(xp, x, win)
    channels = x.shape[-1]
    image = (*win.inputs, channels)
    where = np.arange(channels, dtype=np.int64)
    jump = np.zeros(win.size, np.int64)
    for axis in range(len(win.size)):
        step = math.prod(image[axis + 1 :])
        after = (1,) * (len(win.size) - axis)
        start = np.arange(win.outputs[axis]) * win.strides[axis] - win.pads[axis][0]
        where = where + (start * step).reshape(-1, *after)
        jump = jump + (np.arange(win.size[axis]) * step).reshape(-1, *after[1:])
    index = xp.asarray(where) + xp.asarray(jump.reshape(-1))[winners]
    flat = x.reshape(-1)
    in_batch = index + (xp.arange(x.shape[0]) * math.prod(image)).reshape(-1, *(1,) * (x.ndim - 1))
    return flat[in_batch], (in_batch if with_batch else index).astype(index_type)
