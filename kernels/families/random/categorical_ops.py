"""Multinomial and StatelessMultinomial: samples of classes from logits (multinomial_op.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...core.types import INDEX, REAL_NUMBERS
from ...numeric.distributions import allocate, uniform_double
from .generators import PER_OUTPUT, reserve_node_stream
from .stateless_random_ops import check_seed, stream_from_seed

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ....graphfmt.tensors import Array
    from ...core.inference import ShapeContext
    from ...numeric.philox import Philox

family = Family(__name__, gpu=GpuSupport.NONE, host_inputs="seed")
op = family.op

_KERNEL_TYPES = {"T": "half bfloat16 float double"}
# Comparisons per chunk of rows.
_CHUNK = 1 << 20


def _samples_shape(c: ShapeContext) -> Shape:
    rows = c.with_rank("logits", 2)[0]
    c.with_rank("num_samples", 0)
    samples = c.constant("num_samples")
    if samples is None:
        return Shape((rows, None))
    if samples < 0:
        raise invalid(f"num_samples must not be negative, but is {samples}")
    return Shape((rows, int(samples)))


def _seeded_samples_shape(c: ShapeContext) -> Shape:
    check_seed(c)
    return _samples_shape(c)


def _checked(logits: Any, num_samples: Any) -> int:
    if logits.ndim != 2:
        raise invalid(f"logits must be a matrix, but have shape {list(logits.shape)}")
    if num_samples.ndim != 0:
        raise invalid(f"num_samples must be a scalar, but has shape {list(num_samples.shape)}")
    if num_samples < 0:
        raise invalid(f"num_samples must not be negative, but is {num_samples}")
    if logits.shape[1] < 1:
        raise invalid(f"there must be a class at least, but logits have shape {list(logits.shape)}")
    return int(num_samples)


def _draw(generator: Philox, logits: Any, samples: int, dtype: DType) -> Array:
    """Draws samples [rows, samples] by inversion: the first class at which the cumulative probability exceeds a
    uniform number times the total. Classes whose logit is not finite are never drawn."""
    out = allocate((len(logits), samples), dtype.numpy)
    if not out.size:
        return out
    numbers = uniform_double(generator.words(-(-out.size // 2)))[: out.size].reshape(out.shape)
    rows = max(1, _CHUNK // (samples * logits.shape[1]))
    for start in range(0, len(out), rows):
        totals = _running_totals(logits[start : start + rows])
        sought = numbers[start : start + rows] * totals[:, -1:]
        if rows > 1:
            np.sum(totals[:, None] <= sought[:, :, None], axis=2, out=out[start : start + rows])
        else:
            out[start] = np.searchsorted(totals[0], sought[0], side="right")
    return out


def _running_totals(logits: Any) -> Array:
    finite = np.isfinite(logits)
    wide = logits.astype(np.float64)
    highest = np.max(wide, axis=1, keepdims=True, where=finite, initial=float(-np.finfo(np.float64).max))
    return np.cumsum(np.exp(np.where(finite, wide - highest, -np.inf)), axis=1)


multinomial = op(
    f"Multinomial(logits: T, num_samples: int32; seed: int = 0, seed2: int = 0, T: type in {REAL_NUMBERS}, "
    f"output_dtype: type in {INDEX} = int64) -> (output: output_dtype)",
    shape=_samples_shape,
    stateful=True,
    differentiable=False,
    allocates_output=True,
    kernel_types=_KERNEL_TYPES,
)


@multinomial.kernel
def _(
    ctx: Any,
    xp: Any,
    logits: Any,
    num_samples: Any,
    *,
    node_name: str,
    seed: int,
    seed2: int,
    output_dtype: DType,
) -> Any:
    samples = _checked(logits, num_samples)
    # A number takes two words, and each row is rounded up to a whole group.
    groups = len(logits) * 2 * (-(-samples // 4) * 4) * PER_OUTPUT
    return _draw(reserve_node_stream(ctx, node_name, seed, seed2, groups), logits, samples, output_dtype)


stateless_multinomial = op(
    f"StatelessMultinomial(logits: T, num_samples: int32, seed: Tseed; T: type in {REAL_NUMBERS}, "
    f"Tseed: type in {INDEX} = int64, output_dtype: type in {INDEX} = int64) -> (output: output_dtype)",
    shape=_seeded_samples_shape,
    differentiable=False,
    allocates_output=True,
    kernel_types=_KERNEL_TYPES,
)


@stateless_multinomial.kernel
def _(xp: Any, logits: Any, num_samples: Any, seed: Any, *, output_dtype: DType) -> Any:
    return _draw(stream_from_seed(seed), logits, _checked(logits, num_samples), output_dtype)
