"""StatelessRandomBinomial and StatefulRandomBinomial (random_binomial_op.cc in TensorFlow)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, broadcast
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...core.types import INDEX
from ...numeric.distributions import allocate, uniform_double
from ...numeric.int_arguments import known_shape
from ..state.state_ops import resource_variable
from .generators import reserve_from_variable
from .random_ops import requested_shape
from .rejection import PairedDraws, Substreams, sample_per_parameter, to_integers
from .stateless_random_ops import check_seed, stream_from_seed

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ....graphfmt.tensors import Array
    from ...core.inference import ShapeContext
    from ...numeric.philox import Philox

family = Family(__name__, gpu=GpuSupport.NONE, host_inputs="seed shape")
op = family.op

_NUMBERS = "{half, float, double, int32, int64}"
# Below this mean samples are drawn by inversion.
_FEW = 10
# Groups by which the stream is advanced per sample, by method.
_GROUPS_FEW = 42
_GROUPS_MANY = 256
_MAX_ROUNDS = 4096
# log(k!) less Stirling's approximation, for k below 10.
_TAILS = np.array([
    0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509, 0.0166446911898211,
    0.0138761288230707, 0.0118967099458917, 0.0104112652619720, 0.00925546218271273, 0.00833056343336287,
])  # fmt: skip


def sample_binomial(generator: Philox, places: Array, counts: Array, probabilities: Array) -> Array:
    """Draws numbers of successes in ``counts`` trials; NaN for parameters without a distribution.
    ``places`` are the indices of the samples in the stream."""
    flipped = probabilities > 0.5
    p = np.where(flipped, 1 - probabilities, probabilities)
    out = np.where(np.isnan(p) | np.isnan(counts), np.nan, 0.0)
    usual = np.isfinite(counts) & (counts > 0) & (p > 0)
    few = np.flatnonzero(usual & (counts * p < _FEW))
    many = np.flatnonzero(usual & (counts * p >= _FEW))
    if few.size:
        uniform = PairedDraws(Substreams(generator, places[few] * _GROUPS_FEW), uniform_double)
        out[few] = _by_inversion(uniform, counts[few], p[few])
    if many.size:
        uniform = PairedDraws(Substreams(generator, places[many] * _GROUPS_MANY), uniform_double)
        out[many] = _by_rejection(uniform, counts[many], p[many])
    # With a probability of 1 or more every trial succeeds.
    return np.where(flipped & (counts > 0), counts - out, out)


def _by_inversion(uniform: PairedDraws, counts: Array, p: Array) -> Array:
    """Counts the geometric waiting times that fit into the trials."""
    out = np.zeros(counts.size)
    sums, scale, waiting = np.zeros(counts.size), np.log1p(-p), np.arange(counts.size)
    while waiting.size:
        sums[waiting] += np.ceil(np.log(uniform.take(waiting)) / scale[waiting])
        waiting = waiting[sums[waiting] <= counts[waiting]]
        out[waiting] += 1
    return out


def _by_rejection(uniform: PairedDraws, counts: Array, p: Array) -> Array:
    """Hörmann: The generation of binomial random variates. J. Stat. Comput. Simul. 46 (1993)."""
    out, waiting = np.full(counts.size, np.nan), np.arange(counts.size)
    for _ in range(_MAX_ROUNDS):
        if not waiting.size:
            break
        n, q = counts[waiting], p[waiting]
        deviation = np.sqrt(n * q * (1 - q))
        b = 1.15 + 2.53 * deviation
        a = -0.0873 + 0.0248 * b + 0.01 * q
        u = uniform.take(waiting)
        v = uniform.take(waiting)
        u = u - 0.5
        shifted = 0.5 - np.abs(u)
        k = np.floor((2 * a / shifted + b) * u + n * q + 0.5)
        good = (shifted >= 0.07) & (v <= 0.92 - 4.2 / b)
        inside = (k >= 0) & (k <= n)
        alpha = (2.83 + 5.1 / b) * deviation
        height = np.log(v * alpha / (a / (shifted * shifted) + b))
        good |= inside & (height <= _log_ratio(n, q, np.where(inside, k, 0)))
        out[waiting[good]] = k[good]
        waiting = waiting[~good]
    return out


def _log_ratio(n: Array, p: Array, k: Array) -> Array:
    """Returns the logarithm of the probability of k relative to that of the mode."""
    odds, m = p / (1 - p), np.floor((n + 1) * p)
    return (
        (m + 0.5) * np.log((m + 1) / (odds * (n - m + 1)))
        + (n + 1) * np.log((n - m + 1) / (n - k + 1))
        + (k + 0.5) * np.log(odds * (n - k + 1) / (k + 1))
        + _tail(m) + _tail(n - m) - _tail(k) - _tail(n - k)
    )  # fmt: skip


def _tail(k: Array) -> Array:
    square = (k + 1) * (k + 1)
    far = (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1)
    return np.where(k <= 9, _TAILS[np.clip(k, 0, 9).astype(np.intp)], far)


def _arranged(shape: Any, counts: Any, probs: Any) -> tuple[tuple[int, ...], Array, Array]:
    """Returns the output shape and the broadcast parameters, flat. Raises INVALID_ARGUMENT unless the
    shape ends with theirs."""
    dims = known_shape(shape)
    try:
        counts, probs = np.broadcast_arrays(counts, probs)
    except ValueError:
        raise invalid(
            f"counts and probs must broadcast, but are of shapes {list(counts.shape)} and {list(probs.shape)}"
        ) from None
    if dims[len(dims) - counts.ndim :] != counts.shape:
        raise invalid(
            f"a shape of {list(dims)} does not end with that of the parameters, {list(counts.shape)}"
        )
    return dims, counts.astype(np.float64).reshape(-1), probs.astype(np.float64).reshape(-1)


def _draw(generator: Philox, dims: tuple[int, ...], counts: Array, probs: Array, dtype: DType) -> Any:
    out = allocate(dims, dtype.numpy)
    if out.size:
        found = sample_per_parameter(sample_binomial, generator, out.size // counts.size, counts, probs)
        out.reshape(-1)[...] = to_integers(found, dtype.numpy).reshape(-1)
    return out


def _checked_shape(c: ShapeContext) -> Shape:
    broadcast(c.input("counts"), c.input("probs"))
    return requested_shape(c)


def _seeded_shape(c: ShapeContext) -> Shape:
    check_seed(c)
    return _checked_shape(c)


stateless_binomial = op(
    f"StatelessRandomBinomial(shape: S, seed: Tseed, counts: T, probs: T; S: type in {INDEX}, "
    f"Tseed: type in {INDEX} = int64, T: type in {_NUMBERS} = double, dtype: type in {_NUMBERS} = int64) "
    "-> (output: dtype)",
    shape=_seeded_shape,
    differentiable=False,
    allocates_output=True,
    kernel_types={"T": "half float double"},
)


@stateless_binomial.kernel
def _(xp: Any, shape: Any, seed: Any, counts: Any, probs: Any, *, dtype: DType) -> Any:
    return _draw(stream_from_seed(seed), *_arranged(shape, counts, probs), dtype)


stateful_binomial = op(
    f"StatefulRandomBinomial(resource: resource, algorithm: int64, shape: S, counts: T, probs: T; "
    f"S: type in {INDEX}, T: type in {_NUMBERS} = double, dtype: type in {_NUMBERS} = int64) "
    "-> (output: dtype)",
    shape=_checked_shape,
    stateful=True,
    kernel_types={"T": "half float double"},
)


@stateful_binomial.kernel
def _(xp: Any, resource: Any, algorithm: Any, shape: Any, counts: Any, probs: Any, *, dtype: DType) -> Any:
    if algorithm.ndim != 0:
        raise invalid(f"algorithm must be a scalar, but has shape {list(algorithm.shape)}")
    dims, counts, probs = _arranged(shape, counts, probs)
    samples = math.prod(dims) // max(1, counts.size)
    groups = counts.size * 2 * 100 * (samples + 3) // 4 * 256
    return _draw(
        reserve_from_variable(resource_variable(resource), int(algorithm), groups), dims, counts, probs, dtype
    )
