"""Convolutions over any number of spatial axes as matrix products, in channels-last layout.

The elements under each window are copied as one row of a matrix (im2col), a few megabytes at a time so that they
stay in the cache, and multiplied by the filter; several threads share these blocks. Windows of one element need no
copy. Windows that lie mostly in the padding are computed one tap at a time, so that memory is bounded by the sizes of
the tensors, never by what attributes say.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt.errors import invalid
from ...graphfmt.shapes import Shape
from ..core.parallel import POOL
from . import parallel_products
from .windows import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CPU_PATCH_BYTES = 1 << 21
_GPU_PATCH_BYTES = 1 << 28
# A matrix product of fewer rows than this is slow.
_LEAST_ROWS = 192
_MODEST_ELEMENTS = 1 << 20
# The number of partial sums of a filter's gradient: it bounds the threads that share the work, and the memory.
_FILTER_SUMS = 8


def check_filter(w: Any) -> None:
    """Raises INVALID_ARGUMENT for a filter without elements."""
    if not w.size:
        raise invalid(
            f"filter must not have zero elements (i.e. all dimensions must be non-zero), but has shape {Shape(w.shape)}"
        )


def accumulator_dtype(dtype: Any) -> Any:
    """The dtype in which products of this dtype are accumulated: float32 for half and bfloat16, else its own."""
    return np.dtype(np.float32) if dtype.itemsize == 2 else dtype


def forward(xp: Any, x: Any, w: Any, win: Window) -> Any:
    """Convolves x [batch, *in, c] with a filter [*window, c / groups, out] to [batch, *out, out]."""
    result_type, wide = x.dtype, accumulator_dtype(x.dtype)
    x, w = x.astype(wide, copy=False), w.astype(wide, copy=False)
    outs = w.shape[-1]
    groups = _groups(x.shape[-1], w.shape[-2])
    if groups == 1:
        result = _forward(xp, x, w, win)
    else:
        result = xp.empty((x.shape[0], *win.outputs, outs), wide)
        for ins, out in _group_slices(groups, x.shape[-1], outs):
            result[..., out] = _forward(xp, x[..., ins], w[..., out], win)
    return result.astype(result_type, copy=False)


def _groups(channels: int, filter_channels: int) -> int:
    return channels // filter_channels if filter_channels else 1


def _group_slices(groups: int, ins: int, outs: int) -> Iterator[tuple[slice, slice]]:
    i, o = ins // groups, outs // groups
    for g in range(groups):
        yield slice(g * i, (g + 1) * i), slice(g * o, (g + 1) * o)


def _forward(xp: Any, x: Any, w: Any, win: Window) -> Any:
    outs = w.shape[-1]
    shape = (x.shape[0], *win.outputs, outs)
    if not math.prod(shape) or not w.size or not x.size:
        return xp.zeros(shape, x.dtype)
    if win.is_pointwise:
        return _product(xp, _pointwise_input(x, win).reshape(-1, x.shape[-1]), w.reshape(-1, outs)).reshape(
            shape
        )
    if not is_padding_cheap(win):
        return _forward_by_taps(xp, x, w, win)
    matrix = w.reshape(-1, outs)
    result = xp.empty(shape, x.dtype)
    patches = _Patches(xp, x, win)

    def convolve(number: int) -> None:
        images, rows = patches.blocks[number]
        block = result[images, rows]
        if block.flags.c_contiguous:
            xp.matmul(patches.matrix(number), matrix, out=block.reshape(-1, outs))
        else:
            block[...] = (patches.matrix(number) @ matrix).reshape(block.shape)

    _run(xp, convolve, len(patches.blocks))
    return result


def _product(xp: Any, a: Any, b: Any) -> Any:
    return parallel_products.matmul(a, b) if xp is np else a @ b


def _run(xp: Any, chunk: Callable[[int], None], count: int) -> None:
    """Runs the chunks of a loop, on several threads if they are numpy's."""
    if xp is not np:
        for number in range(count):
            chunk(number)
        return
    POOL.run(chunk, count)


def _pointwise_input(x: Any, win: Window) -> Any:
    """Returns the elements that windows of one element read: x at the strides."""
    if all(s == 1 for s in win.strides):
        return x
    return x[(slice(None), *(slice(None, None, s) for s in win.strides))]


def is_padding_cheap(win: Window) -> bool:
    """True if a padded copy of the input is not much larger than the input."""
    return math.prod(win.padded) <= max(8 * math.prod(win.inputs), _MODEST_ELEMENTS)


def _forward_by_taps(xp: Any, x: Any, w: Any, win: Window) -> Any:
    result = xp.zeros((x.shape[0], *win.outputs, w.shape[-1]), x.dtype)
    for tap, outs, ins in win.taps():
        result[:, *outs] += x[:, *ins] @ w[tap]
    return result


def pad(xp: Any, x: Any, win: Window) -> Any:
    """Returns the input surrounded by the zeros of the window's padding; the input itself without padding."""
    if not any(map(any, win.pads)):
        return x
    padded = xp.zeros((x.shape[0], *win.padded, x.shape[-1]), x.dtype)
    inner = (slice(before, before + n) for n, (before, _) in zip(win.inputs, win.pads))
    padded[:, *inner] = x
    return padded


class _Patches:
    """The elements under the windows, a row per window, for each block of windows. ``blocks`` are slices of images and
    of output rows."""

    def __init__(self, xp: Any, x: Any, win: Window) -> None:
        self._xp, self._win = xp, win
        self._padded = pad(xp, x, win)
        self._columns = math.prod(win.size) * x.shape[-1]
        self.blocks = list(self._cut(x.shape[0]))

    def _cut(self, batch: int) -> Iterator[tuple[slice, slice]]:
        itemsize = self._padded.dtype.itemsize
        per_row = math.prod(self._win.outputs[1:]) * self._columns * itemsize
        budget = _CPU_PATCH_BYTES if self._xp is np else _GPU_PATCH_BYTES
        budget = max(budget, _LEAST_ROWS * self._columns * itemsize)
        height = self._win.outputs[0]
        images = min(batch, max(1, budget // (per_row * height)))
        rows = height if images > 1 else min(height, max(1, budget // per_row))
        for first in range(0, batch, images):
            for row in range(0, height, rows):
                yield slice(first, min(first + images, batch)), slice(row, min(row + rows, height))

    def matrix(self, number: int) -> Any:
        """Returns the matrix of a block."""
        images, rows = self.blocks[number]
        win, block = self._win, self._padded[images]
        steps = block.strides
        spatial = steps[1:-1]
        strides = (
            steps[0],
            *(s * n for s, n in zip(win.strides, spatial)),
            *(d * n for d, n in zip(win.dilations, spatial)),
            steps[-1],
        )
        shape = (len(block), rows.stop - rows.start, *win.outputs[1:], *win.size, block.shape[-1])
        start = block[:, rows.start * win.strides[0] :]
        view = self._xp.lib.stride_tricks.as_strided(start, shape, strides)
        patches = self._xp.empty(shape, block.dtype)
        patches[...] = view
        return patches.reshape(-1, self._columns)


def backprop_filter(xp: Any, x: Any, dy: Any, win: Window, filter_shape: tuple[int, ...]) -> Any:
    """Returns the gradient of the filter, given that of the outputs."""
    result_type, wide = x.dtype, accumulator_dtype(x.dtype)
    x, dy = x.astype(wide, copy=False), dy.astype(wide, copy=False)
    groups = _groups(x.shape[-1], filter_shape[-2])
    if groups == 1:
        result = _backprop_filter(xp, x, dy, win)
    else:
        result = xp.empty(filter_shape, wide)
        for ins, out in _group_slices(groups, x.shape[-1], filter_shape[-1]):
            result[..., out] = _backprop_filter(xp, x[..., ins], dy[..., out], win)
    return result.reshape(filter_shape).astype(result_type, copy=False)


def _backprop_filter(xp: Any, x: Any, dy: Any, win: Window) -> Any:
    outs = dy.shape[-1]
    shape = (*win.size, x.shape[-1], outs)
    if not dy.size or not x.size:
        return xp.zeros(shape, x.dtype)
    if win.is_pointwise:
        turned = _pointwise_input(x, win).reshape(-1, x.shape[-1]).T
        return _product(xp, turned, dy.reshape(-1, outs)).reshape(shape)
    if not is_padding_cheap(win):
        result = xp.zeros(shape, x.dtype)
        for tap, out, ins in win.taps():
            result[tap] = x[:, *ins].reshape(-1, x.shape[-1]).T @ dy[:, *out].reshape(-1, outs)
        return result
    patches = _Patches(xp, x, win)
    groups = min(len(patches.blocks), _FILTER_SUMS)
    sums: list[Any] = [None] * groups

    def add(group: int) -> None:
        for number in range(group, len(patches.blocks), groups):
            part = patches.matrix(number).T @ dy[patches.blocks[number]].reshape(-1, outs)
            sums[group] = part if sums[group] is None else xp.add(sums[group], part, out=sums[group])

    _run(xp, add, groups)
    total = sums[0]
    for part in sums[1:]:
        total = xp.add(total, part, out=total)
    return total.reshape(shape)


def backprop_input(xp: Any, w: Any, dy: Any, win: Window, channels: int) -> Any:
    """Returns the gradient of the input, given that of the outputs."""
    result_type, wide = dy.dtype, accumulator_dtype(dy.dtype)
    w, dy = w.astype(wide, copy=False), dy.astype(wide, copy=False)
    groups = _groups(channels, w.shape[-2])
    if groups == 1:
        result = _backprop_input(xp, w, dy, win)
    else:
        result = xp.empty((dy.shape[0], *win.inputs, channels), wide)
        for ins, out in _group_slices(groups, channels, w.shape[-1]):
            result[..., ins] = _backprop_input(xp, w[..., out], dy[..., out], win)
    return result.astype(result_type, copy=False)


def _backprop_input(xp: Any, w: Any, dy: Any, win: Window) -> Any:
    channels, outs = w.shape[-2:]
    shape = (dy.shape[0], *win.inputs, channels)
    if not math.prod(shape) or not dy.size:
        return xp.zeros(shape, dy.dtype)
    if win.is_pointwise:
        part = _product(xp, dy.reshape(-1, outs), w.reshape(channels, outs).T)
        part = part.reshape(*dy.shape[:-1], channels)
        return _spread_pointwise(xp, part, shape, win)
    other_way = mirrored_window(win)
    if other_way is not None:
        flipped = w[(slice(None, None, -1),) * len(win.size)].swapaxes(-1, -2)
        return _forward(xp, dy, xp.ascontiguousarray(flipped), other_way)
    return _scatter_taps(xp, w, dy, win)


def _spread_pointwise(xp: Any, part: Any, shape: tuple[int, ...], win: Window) -> Any:
    """Scatters the gradients of windows of one element to the elements that they read."""
    if part.shape == shape:
        return part
    result = xp.zeros(shape, part.dtype)
    result[(slice(None), *(slice(0, n * s, s) for n, s in zip(win.outputs, win.strides)))] = part
    return result


def mirrored_window(win: Window) -> Window | None:
    """Returns the window for computing input gradients as a convolution with the mirrored filter.

    None where strides leave gaps between windows or padding exceeds the window.
    """
    if any(s != 1 for s in win.strides) or not is_padding_cheap(win):
        return None
    reach = [(k - 1) * d for k, d in zip(win.size, win.dilations)]
    before = [r - p[0] for r, p in zip(reach, win.pads)]
    after = [n + r - o - b for n, r, o, b in zip(win.inputs, reach, win.outputs, before)]
    if min(before) < 0 or min(after) < 0:
        return None
    return Window(win.outputs, win.size, win.strides, win.dilations, win.inputs, tuple(zip(before, after)))


def _scatter_taps(xp: Any, w: Any, dy: Any, win: Window) -> Any:
    """Adds the gradients of windows to the elements they read, one tap after the other."""
    channels, outs = w.shape[-2:]
    result = xp.zeros((dy.shape[0], *win.inputs, channels), dy.dtype)
    per_image = math.prod(win.outputs) * (channels + outs) * dy.dtype.itemsize
    images = max(1, 2 * (_CPU_PATCH_BYTES if xp is np else _GPU_PATCH_BYTES) // per_image)
    taps = list(win.taps())

    def scatter(number: int) -> None:
        first = number * images
        block, target = dy[first : first + images], result[first : first + images]
        rows = block.reshape(-1, outs)
        part = xp.empty((len(rows), channels), dy.dtype)
        placed = part.reshape(*block.shape[:-1], channels)
        for tap, out, ins in taps:
            xp.matmul(rows, w[tap].T, out=part)
            target[:, *ins] += placed[:, *out]

    _run(xp, scatter, -(-dy.shape[0] // images))
    return result
