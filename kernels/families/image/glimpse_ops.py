"""ExtractGlimpse in two versions: a window of each image, at its own place (attention_ops.cc, eigen_attention.h in
TensorFlow). What lies outside of the image is noise, or zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.dtypes import BY_NAME
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, merge_dim
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric import distributions
from ...numeric.int_arguments import check_allocation
from ...numeric.philox import Philox
from .resampling import host_sizes

if TYPE_CHECKING:
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_NOISES = ("uniform", "gaussian", "zero")
# TensorFlow's noise differs in every run; this one is the same in all.
_NOISE_SEED = 87654321


def _shape(c: ShapeContext) -> Shape:
    images, offsets = c.with_rank("input", 4), c.with_rank("offsets", 2)
    merge_dim(c.with_rank("size", 1)[0], 2)
    merge_dim(offsets[1], 2)
    height, width = c.elements("size") or (None, None)
    sizes = [None if n is None or n < 0 else n for n in (height, width)]
    return Shape((merge_dim(images[0], offsets[0]), *sizes, images[3]))


@dataclass(frozen=True, slots=True)
class _Coordinates:
    """The meaning of offsets: in fractions of the image (``normalized``), from its centre (``centered``).

    In the first version they are those of the window's centre. In the second they are so only where both hold, and
    else those of its upper left corner.
    """

    normalized: bool
    centered: bool
    is_first: bool

    def corners(self, offsets: Any, image: Any, window: Any) -> Any:
        """Returns the upper left corners of the windows in pixels, as integers [batch, 2]."""
        image, window = np.float32(image), np.float32(window)
        places = offsets * image if self.normalized else offsets
        if self.centered:
            halved = places / np.float32(2) if self.normalized or self.is_first else places
            places = halved + image / np.float32(2)
        if self.is_first or (self.normalized and self.centered):
            places = places - window / np.float32(2)
        with np.errstate(invalid="ignore"):
            return np.trunc(places).astype(np.int64)


def _noise(kind: str, image: Any, shape: tuple[int, ...], stream: Philox) -> Any:
    """Returns noise within the range of the image's values: uniform over all of it, or normal for each channel."""
    floating = BY_NAME["float"]
    if kind == "zero" or not image.size:
        return np.zeros(shape, np.float32)
    if kind == "uniform":
        least = image.min()
        return least + distributions.uniforms(floating, stream, shape) * (image.max() - least)
    numbers = distributions.normals(floating, stream, shape)
    mean, deviation = image.mean(axis=(0, 1)), image.std(axis=(0, 1))
    return np.clip(mean + numbers * deviation, image.min(axis=(0, 1)), image.max(axis=(0, 1)))


def _visible(corner: int, window: int, image: int) -> tuple[slice, slice, bool]:
    """Returns the part of the window along one axis that shows the image, the part of the image, and whether noise is
    needed."""
    if corner < 0:
        count = max(0, window + corner)
        shown = min(image, count)
        return slice(window - count, window - count + shown), slice(0, shown), True
    is_partial = corner + window >= image
    shown = min(image, max(0, image - corner)) if is_partial else window
    return slice(0, shown), slice(corner, corner + shown), is_partial


def _glimpses(images: Any, size: Any, offsets: Any, coordinates: _Coordinates, noise: str) -> Any:
    if images.ndim != 4:
        raise invalid(f"input must be 4-dimensional, but has shape {Shape(images.shape)}")
    if size.shape != (2,) or offsets.shape != (len(images), 2):
        raise invalid(
            f"size must be of shape [2] and offsets of shape [{len(images)}, 2], but they are of shapes "
            f"{Shape(size.shape)} and {Shape(offsets.shape)}"
        )
    window = host_sizes(size)
    if min(window) < 0:
        raise invalid(f"size must not be negative, but is {list(window)}")
    batch, height, width, channels = images.shape
    check_allocation((batch, *window, channels), 4, "size")
    result = np.zeros((batch, *window, channels), np.float32)
    if not result.size:
        return result
    corners = coordinates.corners(offsets, (height, width), window).tolist()
    for number, (image, target, (top, left)) in enumerate(zip(images, result, corners)):
        rows, image_rows, lacks_rows = _visible(top, window[0], height)
        columns, image_columns, lacks_columns = _visible(left, window[1], width)
        if lacks_rows or lacks_columns:
            target[...] = _noise(noise, image, target.shape, Philox.from_seeds(_NOISE_SEED, number))
        target[rows, columns] = image[image_rows, image_columns]
    return result


def _chosen_noise(uniform_noise: bool, noise: str) -> str:
    if uniform_noise and noise not in ("", "uniform"):
        raise invalid(
            f"uniform_noise and noise could not be specified at the same time, but noise is {noise!r}"
        )
    if not noise:
        return "uniform" if uniform_noise else "gaussian"
    if noise not in _NOISES:
        raise invalid(f"The noise could only be uniform, gaussian, or zero, got {noise!r}")
    return noise


def _declare(name: str, is_first: bool) -> None:
    declared = op(
        f"{name}(input: float, size: int32, offsets: float; centered: bool = true, normalized: bool = true, "
        'uniform_noise: bool = true, noise: string = "uniform") -> (glimpse: float)',
        shape=_shape,
        differentiable=not is_first,
        allocates_output=True,
    )

    @declared.kernel
    def _(
        xp: Any,
        images: Any,
        size: Any,
        offsets: Any,
        *,
        centered: bool,
        normalized: bool,
        uniform_noise: bool,
        noise: str,
    ) -> Any:
        chosen = _chosen_noise(uniform_noise, noise)
        return _glimpses(images, size, offsets, _Coordinates(normalized, centered, is_first), chosen)


_declare("ExtractGlimpse", True)
_declare("ExtractGlimpseV2", False)
