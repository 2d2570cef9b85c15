"""Normalisation of quantised images: by given means and variances, or by those of each image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import SCALAR, Shape, merge_dim
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.quantization import QUANTIZED, from_float, from_float_fast, range_end, to_float
from .ranges import with_scalar_range

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_float = np.float32
_quint8 = dtypes.BY_NAME["quint8"]
_STATISTICS = ("m", "v", "beta", "gamma")
# The range of outputs of batch normalisation: wide enough for usual values, with 10 bits after the point.
_WIDE = (_float(-(1 << 20)), _float(1 << 20))


def _batch_norm_shape(c: ShapeContext) -> list[Shape]:
    shape = c.with_rank(0, 4)
    depth = shape[3]
    for name in _STATISTICS:
        depth = merge_dim(depth, c.with_rank(name, 1)[0])
    ends = [f"{name}_{end}" for name in ("t", *_STATISTICS) for end in ("min", "max")]
    return with_scalar_range(c, Shape((shape[0], shape[1], shape[2], depth)), *ends)


batch_norm = op(
    "QuantizedBatchNormWithGlobalNormalization(t: Tinput, t_min: float, t_max: float, "
    + ", ".join(f"{name}: Tinput, {name}_min: float, {name}_max: float" for name in _STATISTICS)
    + f"; Tinput: type in {QUANTIZED}, out_type: type in {QUANTIZED}, variance_epsilon: float, "
    "scale_after_normalization: bool) -> (result: out_type, result_min: float, result_max: float)",
    shape=_batch_norm_shape,
    kernel_types={"Tinput": "quint8", "out_type": "qint32"},
    allocates_output=True,
)


@batch_norm.kernel
def _(
    xp: Any, *inputs: Any,
    Tinput: DType, out_type: DType, variance_epsilon: float, scale_after_normalization: bool,
) -> Any:  # fmt: skip
    x = inputs[0]
    mean, variance, beta, gamma = (inputs[i] for i in range(3, 15, 3))
    if x.ndim != 4 or any(s.shape != x.shape[3:] for s in (mean, variance, beta, gamma)):
        shown = ", ".join(str(Shape(s.shape)) for s in (x, mean, variance, beta, gamma))
        raise invalid(
            f"an input of rank 4 needs statistics of one element per channel, but shapes are {shown}"
        )
    floats = [to_float(inputs[i], *_ends(inputs, i), Tinput) for i in range(3, 15, 3)]
    with np.errstate(all="ignore"):
        scale = _float(1) / np.sqrt(floats[1] + _float(variance_epsilon))
        scale = scale * floats[3] if scale_after_normalization else scale
        offset = -floats[0] * scale + floats[2]
        scale, offset, one = (from_float(v, *_WIDE, out_type) for v in (scale, offset, _float(1)))
        wide = from_float(to_float(x, *_ends(inputs, 0), Tinput), *_WIDE, out_type)
        # As in 32-bit arithmetic: the product wraps, the quotient is rounded towards zero.
        product = (wide * scale).astype(np.int32).astype(np.int64)
        quotient = np.sign(product) * (np.abs(product) // one)
        return (quotient + offset).astype(np.int32), *_WIDE


def _ends(inputs: Any, at: int) -> tuple[Any, Any]:
    name = ("t", *_STATISTICS)[at // 3]
    return range_end(inputs[at + 1], f"{name}_min"), range_end(inputs[at + 2], f"{name}_max")


instance_norm = op(
    f"QuantizedInstanceNorm(x: T, x_min: float, x_max: float; T: type in {QUANTIZED}, output_range_given: bool = "
    "false, given_y_min: float = 0, given_y_max: float = 0, variance_epsilon: float = 1e-05, "
    "min_separation: float = 0.001) -> (y: T, y_min: float, y_max: float)",
    shape=lambda c: [c.input(0), SCALAR, SCALAR],
    kernel_types={"T": "quint8"},
    allocates_output=True,
)


@instance_norm.kernel
def _(
    xp: Any, x: Any, x_min: Any, x_max: Any, *, output_range_given: bool,
    given_y_min: float, given_y_max: float, variance_epsilon: float, min_separation: float,
) -> Any:  # fmt: skip
    low, high = range_end(x_min, "x_min"), range_end(x_max, "x_max")
    if not low < high:
        raise invalid(f"x_min must be less than x_max, but they are {low} and {high}")
    if output_range_given and not given_y_min < given_y_max:
        raise invalid(
            f"given_y_min must be less than given_y_max, but they are {given_y_min} and {given_y_max}"
        )
    if x.ndim != 4:
        raise invalid(f"x must be of rank 4, but has shape {Shape(x.shape)}")
    normed = _normalize(x, (high - low) / _float(255), _float(variance_epsilon))
    if output_range_given:
        least, most = _float(given_y_min), _float(given_y_max)
    else:
        least = normed.min(initial=np.finfo(_float).max)
        most = normed.max(initial=np.finfo(_float).min)
    if most - least < _float(min_separation):
        most = least + _float(min_separation)
    return from_float_fast(normed, least, most, _quint8), least, most


def _normalize(x: Any, scale: Any, epsilon: Any) -> Any:
    """Returns each channel of each image with mean 0 and variance 1."""
    if not x.size:
        return x.astype(_float)
    deviation = x.astype(_float) - x.mean(axis=(1, 2), keepdims=True, dtype=np.float64).astype(_float)
    deviation *= scale
    variance = np.square(deviation).mean(axis=(1, 2), keepdims=True, dtype=np.float64).astype(_float)
    return deviation * (_float(1) / np.sqrt(variance + epsilon))
