"""Max and average pooling of quantised images, whose range stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric import pooling
from ...numeric.int_arguments import check_allocation
from ...numeric.quantization import QUANTIZED, range_ends
from ..nn.pool_window import VALID_SAME, fit_spatial_window, infer_output_shape, pool_spec
from .ranges import with_scalar_range

if TYPE_CHECKING:
    from ....graphfmt.shapes import Shape
    from ...core.inference import ShapeContext
    from ...numeric.windows import Window

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


def _pooled_shape(c: ShapeContext) -> list[Shape]:
    return with_scalar_range(c, infer_output_shape(c, 4), "min_input", "max_input")


def _declare(name: str) -> Any:
    return op(
        f"{name}(input: T, min_input: float, max_input: float; T: type in {QUANTIZED}, ksize: list(int), "
        f"strides: list(int), {VALID_SAME}) -> (output: T, min_output: float, max_output: float)",
        shape=_pooled_shape,
        kernel_types={"T": "quint8 qint8"},
        allocates_output=True,
    )


def _fit(x: Any, ksize: Any, strides: Any, padding: str) -> Window:
    win = fit_spatial_window(pool_spec(4, "NHWC", ksize, strides, padding), x.shape)
    check_allocation((x.shape[0], *win.outputs, x.shape[3]), 4, "output")
    return win


max_pool = _declare("QuantizedMaxPool")


@max_pool.kernel
def _(xp: Any, x: Any, low: Any, high: Any, *, ksize: Any, strides: Any, padding: str) -> Any:
    win = _fit(x, ksize, strides, padding)
    return pooling.max_pool(xp, x, win), *range_ends(low, high, "input")


average_pool = _declare("QuantizedAvgPool")


@average_pool.kernel
def _(xp: Any, x: Any, low: Any, high: Any, *, ksize: Any, strides: Any, padding: str) -> Any:
    win = _fit(x, ksize, strides, padding)
    # Halves are rounded to even integers. The mean of integers by a reciprocal may miss a half by one place.
    mean = pooling.avg_pool(xp, x.astype(np.float64), win)
    return np.rint(mean.astype(np.float32)).astype(x.dtype), *range_ends(low, high, "input")
