"""ScaleAndTranslate and its gradient: resampling of images with a choice of kernels (scale_and_translate_op.cc,
sampling_kernels.h in TensorFlow)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, merge_dim
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.int_arguments import check_allocation
from .resampling import host_sizes, resample

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_ATTRS = 'kernel_type: string = "lanczos3", antialias: bool = true'
_IMAGES = "{int8, uint8, int16, uint16, int32, int64, bfloat16, half, float, double}"
_SMALLEST_SUM = 1000 * np.finfo(np.float32).tiny


def _lanczos(radius: int) -> Callable[[Any], Any]:
    def weight(x: Any) -> Any:
        pi = np.float32(math.pi)
        with np.errstate(all="ignore"):
            curve = (
                np.float32(radius) * np.sin(pi * x) * np.sin(pi * x / np.float32(radius)) / (pi * pi * x * x)
            )
        return np.where(x > radius, 0, np.where(x <= np.float32(1e-3), 1, curve)).astype(np.float32)

    return weight


def _gaussian(x: Any) -> Any:
    return np.where(x >= 1.5, 0, np.exp(-x * x / np.float64(2 * 0.5 * 0.5))).astype(np.float32)


def _box(x: Any) -> Any:
    return np.where(x < 0.5, 1, np.where(x == 0.5, 0.5, 0)).astype(np.float32)


def _triangle(x: Any) -> Any:
    return np.maximum(np.float32(1) - x, np.float32(0))


def _cubic(near: tuple[float, ...], far: tuple[float, ...]) -> Callable[[Any], Any]:
    """Returns a kernel of two polynomials, for distances below 1 and below 2, the highest power first."""

    def weight(x: Any) -> Any:
        parts: list[Any] = []
        for polynomial in (near, far):
            value = np.zeros_like(x)
            for factor in polynomial:
                value = value * x + np.float32(factor)
            parts.append(value)
        return np.where(x >= 2, np.float32(0), np.where(x >= 1, parts[1], parts[0]))

    return weight


# The radius and the weight at a distance, of each kernel.
_KERNELS: dict[str, tuple[float, Callable[[Any], Any]]] = {
    "lanczos1": (1, _lanczos(1)),
    "lanczos3": (3, _lanczos(3)),
    "lanczos5": (5, _lanczos(5)),
    "gaussian": (1.5, _gaussian),
    "box": (1, _box),
    "triangle": (1, _triangle),
    "keyscubic": (2, _cubic((1.5, -2.5, 0, 1), (-0.5, 2.5, -4, 2))),
    "mitchellcubic": (2, _cubic((7 / 6, -2, 0, 8 / 9), (-7 / 18, 2, -10 / 3, 16 / 9))),
}


def _weights(size: int, wanted: int, scale: Any, translation: Any, method: tuple[str, bool]) -> Any:
    """Returns the share of each input pixel in each output pixel along an axis, as a matrix [wanted, size]."""
    kind, antialias = method
    if kind not in _KERNELS:
        raise invalid(f"Unrecognized kernel type: {kind!r}; there are {', '.join(_KERNELS)}")
    check_allocation((wanted, size), 4, "size")
    radius, kernel = _KERNELS[kind]
    one = np.float32(1)
    step = one / np.float32(scale)
    width = max(step, one) if antialias else one
    reach = np.float32(radius) * width
    sources = (np.arange(wanted, dtype=np.float32) + np.float32(0.5)) * step + -step * np.float32(translation)
    inside = (sources >= 0) & (sources <= size)
    sources = np.where(inside, sources, np.float32(0))[:, None]
    last = np.float32(size - 1)
    starts = np.clip(np.ceil(sources - reach - np.float32(0.5)), 0, last)
    ends = np.clip(np.floor(sources + reach - np.float32(0.5)), 0, last)
    places = np.arange(size, dtype=np.float32)
    taken = inside[:, None] & (places >= starts) & (places <= ends)
    distances = np.abs((places + np.float32(0.5) - sources) * (one / width))
    matrix = np.where(taken, kernel(distances), np.float32(0))
    total = np.add.accumulate(matrix, axis=1)[:, -1:]
    small = np.abs(total) < _SMALLEST_SUM
    return np.where(small, np.float32(0), matrix * (one / np.where(small, one, total)))


def _pair(values: Any, what: str) -> Any:
    if values.shape != (2,):
        raise invalid(f"{what} must be a vector of two elements, but has shape {Shape(values.shape)}")
    return values


def _matrices(
    sizes: tuple[int, ...], wanted: tuple[int, ...], scale: Any, translation: Any, method: tuple[str, bool]
) -> list[Any]:
    """Returns the matrices of weights for rows and for columns."""
    scale, translation = _pair(scale, "scale"), _pair(translation, "translation")
    if not (scale > 0).all():
        raise invalid(f"Scale must be greater than zero, but is {scale.tolist()}")
    return [_weights(n, w, s, t, method) for n, w, s, t in zip(sizes, wanted, scale, translation)]


def _check_images(images: Any) -> None:
    if images.ndim != 4 or not all(images.shape[1:]):
        raise invalid(f"images must be 4-dimensional and have pixels, but have shape {Shape(images.shape)}")


def _resized_shape(c: ShapeContext) -> Shape:
    images = c.with_rank("images", 4)
    for name in ("size", "scale", "translation"):
        merge_dim(c.with_rank(name, 1)[0], 2)
    height, width = c.elements("size") or (None, None)
    return Shape((images[0], height, width, images[3]))


scale_and_translate = op(
    f"ScaleAndTranslate(images: T, size: int32, scale: float, translation: float; T: type in {_IMAGES}, {_ATTRS}) -> "
    "(resized_images: float)",
    shape=_resized_shape,
    allocates_output=True,
)


@scale_and_translate.kernel
def _(
    xp: Any, images: Any, size: Any, scale: Any, translation: Any, *, kernel_type: str, antialias: bool
) -> Any:
    _check_images(images)
    wanted = host_sizes(_pair(size, "size"))
    if min(wanted) <= 0:
        raise invalid(f"output dimensions must be positive, but are {list(wanted)}")
    check_allocation((len(images), *wanted, images.shape[3]), 4, "size")
    down, across = _matrices(images.shape[1:3], wanted, scale, translation, (kernel_type, antialias))
    return resample(np, images.astype(np.float32), down, across)


def _gradient_shape(c: ShapeContext) -> Shape:
    c.with_rank("grads", 4)
    return c.with_rank("original_image", 4)


gradient = op(
    f"ScaleAndTranslateGrad(grads: T, original_image: T, scale: float, translation: float; T: type in {{float}}, "
    f"{_ATTRS}) -> (output: T)",
    shape=_gradient_shape,
    allocates_output=True,
)


@gradient.kernel
def _(
    xp: Any, grads: Any, original: Any, scale: Any, translation: Any, *, kernel_type: str, antialias: bool
) -> Any:
    _check_images(grads)
    _check_images(original)
    if grads.shape[::3] != original.shape[::3]:
        raise invalid(
            f"grads of shape {Shape(grads.shape)} do not fit an image of shape {Shape(original.shape)}"
        )
    sizes, wanted = original.shape[1:3], grads.shape[1:3]
    down, across = _matrices(sizes, wanted, scale, translation, (kernel_type, antialias))
    return resample(np, grads, down.T, across.T)


@scale_and_translate.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None, None, None]:
    images, _, scale, translation = node.inputs
    attrs = {name: node.attr(name) for name in ("kernel_type", "antialias")}
    return g.add_op(gradient.name, dy, images, scale, translation, **attrs), None, None, None
