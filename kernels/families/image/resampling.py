"""Resampling along one axis: the source pixels of each output pixel and their weights (image_resizer_state.h,
resize_bicubic_op.cc in TensorFlow). Sizes and positions are in pixels, weights in float32."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ...numeric.scatter import on_host

# TensorFlow looks the cubic kernel up in a table with this many steps.
_STEPS = 1024


def scale_factor(size: int, wanted: int, align_corners: bool) -> Any:
    """Returns the number of input pixels per output pixel."""
    if align_corners and wanted > 1:
        return np.float32(size - 1) / np.float32(wanted - 1)
    return np.float32(size) / np.float32(wanted)


def _sources(size: int, wanted: int, align_corners: bool, half_pixel: bool) -> Any:
    """Returns the fractional position in the input of each output pixel."""
    scale, places = scale_factor(size, wanted, align_corners), np.arange(wanted, dtype=np.float32)
    if half_pixel:
        return (places + np.float32(0.5)) * scale - np.float32(0.5)
    return places * scale


def nearest(size: int, wanted: int, align_corners: bool, half_pixel: bool) -> Any:
    """Returns the index of the input pixel of each output pixel, as [wanted]."""
    scale, places = scale_factor(size, wanted, align_corners), np.arange(wanted, dtype=np.float32)
    source = (places + np.float32(0.5)) * scale if half_pixel else places * scale
    # Half away from zero, as C rounds; sources are never negative.
    whole = np.floor(source + np.float32(0.5)) if align_corners else np.floor(source)
    return np.clip(whole.astype(np.int64), 0, size - 1)


def linear(size: int, wanted: int, align_corners: bool, half_pixel: bool) -> tuple[Any, Any, Any]:
    """Returns the two input pixels of each output pixel, and its fraction of the way between them, as
    [wanted] each."""
    source = _sources(size, wanted, align_corners, half_pixel)
    floor = np.floor(source)
    upper = np.minimum(np.ceil(source).astype(np.int64), size - 1)
    lower = np.minimum(np.maximum(floor.astype(np.int64), 0), upper)
    return lower, upper, source - floor


def cubic(size: int, wanted: int, align_corners: bool, half_pixel: bool) -> tuple[Any, Any]:
    """Returns the four input pixels of each output pixel and their weights, as [wanted, 4] each.

    With half-pixel centres pixels beyond the border have weight 0; otherwise the border pixel is repeated.
    """
    source = _sources(size, wanted, align_corners, half_pixel)
    floor = np.floor(source)
    offset = np.rint((source - floor) * np.float32(_STEPS)).astype(np.int64)
    near, far = _cubic_table(-0.5 if half_pixel else -0.75)
    weights = np.stack([far[offset], near[offset], near[_STEPS - offset], far[_STEPS - offset]], axis=1)
    places = floor.astype(np.int64)[:, None] + np.arange(-1, 3)
    inside = np.clip(places, 0, size - 1)
    if half_pixel:
        weights = np.where(places == inside, weights, np.float32(0))
        total = weights.sum(axis=1, keepdims=True, dtype=np.float32)
        small = np.abs(total) < 1000 * np.finfo(np.float32).tiny
        weights = weights / np.where(small, np.float32(1), total)
    return inside, weights


@lru_cache(maxsize=2)
def _cubic_table(a: float) -> tuple[Any, Any]:
    """Returns the cubic kernel with parameter ``a`` for distances in [0, 1] and in [1, 2], each in steps of
    1 / _STEPS."""
    x = (np.arange(_STEPS + 1) / _STEPS).astype(np.float32).astype(np.float64)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    x = x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return near.astype(np.float32), far.astype(np.float32)


def area(size: int, wanted: int, align_corners: bool) -> Any:
    """Returns the share of each input pixel in each output pixel, as a matrix [wanted, size]."""
    scale = scale_factor(size, wanted, align_corners)
    if not scale:
        # The input has a single pixel.
        return np.ones((wanted, size), np.float32)
    matrix = np.zeros((wanted, size), np.float32)
    for row in range(wanted):
        start, stop = np.float32(row) * scale, np.float32(row + 1) * scale
        for place in range(int(np.floor(start)), int(np.ceil(stop))):
            first = max(np.float32(place), start)
            matrix[row, min(max(place, 0), size - 1)] += min(np.float32(place + 1), stop) - first
    return matrix / scale


def as_matrix(places: Any, weights: Any, size: int) -> Any:
    """Converts positions and weights [wanted, taps] to a matrix [wanted, size]."""
    matrix = np.zeros((len(places), size), np.float32)
    rows = np.broadcast_to(np.arange(len(places))[:, None], places.shape)
    np.add.at(matrix, (rows, places), weights)
    return matrix


def resample(xp: Any, images: Any, down: Any, across: Any) -> Any:
    """Computes ``down @ image @ across.T`` for every image and channel of [batch, height, width, channels]."""
    batch, height, width, channels = images.shape
    rows = xp.matmul(xp.asarray(down, images.dtype), images.reshape(batch, height, width * channels))
    rows = rows.reshape(batch * len(down), width, channels)
    return xp.matmul(xp.asarray(across, images.dtype), rows).reshape(batch, len(down), len(across), channels)


def host_sizes(size: Any) -> tuple[int, ...]:
    """Returns the elements of a size tensor as ints; on a GPU this waits for the device."""
    return tuple(int(n) for n in on_host(size).tolist())
