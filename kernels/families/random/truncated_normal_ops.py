"""ParameterizedTruncatedNormal and its stateless version (parameterized_truncated_normal_op.cc in
TensorFlow): normal samples within bounds, each batch with its own mean, deviation and bounds.

Robert: Simulation of truncated normal variables. Statistics and Computing 5 (1995). Proposals are normal if
the bounds enclose much of the density, uniform if they are close together, and exponential in the tails.
Batches take from one stream one after another; the rest of a batch's last group is discarded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import Shape, broadcast
from ....graphfmt.tensors import Array
from ...builder.broadcast_gradients import sum_to
from ...core.registry import Family
from ...core.types import HALF_FIRST_FLOATS, INDEX
from ...numeric.distributions import allocate, normals, uniforms
from ...numeric.int_arguments import known_shape
from ...numeric.philox import Philox
from .generators import reserve_node_stream
from .random_ops import requested_shape
from .stateless_random_ops import seeded_shape, stream_from_seed

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="seed shape", computed_on_host=True)
op = family.op

_MAX_TRIES = 1000
# Samples per batch if all have the same parameters.
_BATCH = 100
# With a bound beyond this many deviations on one side, normal proposals are accepted often enough.
_ENOUGH = 1.3

# From a stream and a number of groups to proposals and whether they are accepted, both [groups, …].
Propose = Callable[[Philox, int], tuple[Array, Array]]


class _Batches:
    """Draws batches of truncated normal samples from one stream."""

    def __init__(self, generator: Philox, dtype: DType) -> None:
        self._generator = generator
        self._dtype = dtype
        self._width = 2 if dtype.name == "double" else 4

    def draw(self, count: int, mean: Any, deviation: Any, low: Any, high: Any) -> Array:
        """Draws ``count`` samples. Raises INVALID_ARGUMENT for a deviation that is not positive or bounds
        without an interval."""
        if not (deviation > 0 and low < high and (np.isfinite(low) or np.isfinite(high))):
            raise invalid(f"there is no normal variable of deviation {deviation} between {low} and {high}")
        if (np.isinf(low) and low < 0) or high < mean:
            low, high, deviation = high, low, -deviation
        propose, groups = self._method((low - mean) / deviation, (high - mean) / deviation)
        return self._take(count, propose, groups) * deviation + mean

    def _method(self, low: Any, high: Any) -> tuple[Propose, int]:
        """Returns the proposal function for samples of deviation 1, and the number of groups per proposal."""
        kind = self._dtype.numpy.type
        root = np.sqrt(low * low + kind(4))
        cutoff = kind(2) * np.exp(kind(0.5) + low * (low - root) / kind(4)) / (low + root)
        if (low < -kind(_ENOUGH) and high >= 0) or (high > kind(_ENOUGH) and low <= 0):
            return lambda generator, count: self._normal(generator, count, low, high), 1
        if high - low < cutoff:
            return lambda generator, count: self._uniform(generator, count, low, high - low), 2
        rate = (low + np.sqrt(low * low + kind(4))) / kind(2)
        return lambda generator, count: self._exponential(generator, count, low, high, rate), 1

    def _normal(self, generator: Philox, count: int, low: Any, high: Any) -> tuple[Array, Array]:
        found = normals(self._dtype, generator, (count, self._width))
        return found, (found >= low) & (found <= high)

    def _uniform(self, generator: Philox, count: int, low: Any, span: Any) -> tuple[Array, Array]:
        kind = self._dtype.numpy.type
        pairs = uniforms(self._dtype, generator, (count, 2, self._width))
        found = pairs[:, 0] * span + low
        plus = kind(0) if low < 0 else low * low
        return found, pairs[:, 1] <= np.exp((plus - found * found) / kind(2))

    def _exponential(
        self, generator: Philox, count: int, low: Any, high: Any, rate: Any
    ) -> tuple[Array, Array]:
        kind = self._dtype.numpy.type
        numbers = uniforms(self._dtype, generator, (count, self._width))
        found = -np.log(numbers[:, 0::2]) / rate + low
        x = rate - found if low < rate else low - rate
        return found, (numbers[:, 1::2] <= np.exp(-x * x / kind(2))) & (found < high)

    def _take(self, count: int, propose: Propose, groups: int) -> Array:
        """Returns the first ``count`` accepted proposals; the stream continues after the group of the last."""
        out = np.empty(count, self._dtype.numpy)
        done = tries = 0
        while done < count:
            step = max(4, (count - done) // 2)
            found, taken = propose(self._generator, step)
            places = np.flatnonzero(taken)[: count - done]
            out[done : done + places.size] = found.reshape(-1)[places]
            done += places.size
            used = int(places[-1]) // found.shape[1] + 1 if done == count else step
            self._generator = self._generator.skip(used * groups)
            tries = 0 if places.size else tries + found.size
            if tries > _MAX_TRIES:
                raise TfgError(Status.INTERNAL, f"no variable was taken out of {tries} proposals")
        return out


def _as_vector(value: Any, name: str, batches: int) -> Array:
    if value.ndim > 1 or (value.ndim == 1 and len(value) not in (1, batches)):
        raise invalid(f"{name} must be a scalar or have length 1 or {batches}, not shape {list(value.shape)}")
    return np.broadcast_to(value, (batches,))


_NAMES = ("means", "stdevs", "minvals", "maxvals")


def _parameters_shape(c: ShapeContext) -> Shape:
    for shape in c.inputs()[1:]:
        if shape.rank is not None and shape.rank > 1:
            raise invalid(f"a parameter must be a scalar or a vector, but has shape {shape}")
    return requested_shape(c)


parameterized = op(
    "ParameterizedTruncatedNormal(shape: T, means: dtype, stdevs: dtype, minvals: dtype, maxvals: dtype; "
    f"seed: int = 0, seed2: int = 0, dtype: type in {HALF_FIRST_FLOATS}, T: type in {INDEX}) "
    "-> (output: dtype)",
    shape=_parameters_shape,
    stateful=True,
    differentiable=False,
    allocates_output=True,
)


@parameterized.kernel
def _(
    ctx: Any, xp: Any, shape: Any, means: Any, stdevs: Any, minvals: Any, maxvals: Any,
    *, node_name: str, seed: int, seed2: int, dtype: DType,
) -> Any:  # fmt: skip
    """Draws samples whose first axis is that of the parameters."""
    dims = known_shape(shape)
    if not dims:
        raise invalid("the shape of truncated normal variables must have a dimension at least")
    out = allocate(dims, dtype.numpy)
    batches, each = dims[0], math.prod(dims[1:])
    values = (means, stdevs, minvals, maxvals)
    same = means.size == stdevs.size == 1 and minvals.ndim == maxvals.ndim == 0
    if same:
        batches, each = -(-out.size // _BATCH), _BATCH
    rows = [_as_vector(np.reshape(v, ()) if same else v, n, batches) for v, n in zip(values, _NAMES)]
    if not out.size:
        return out
    groups = batches * 2 * _MAX_TRIES * (each + 3) // 4
    source = _Batches(reserve_node_stream(ctx, node_name, seed, seed2, groups), dtype)
    flat = out.reshape(-1)
    for batch, parameters in enumerate(zip(*rows)):
        part = flat[batch * each : (batch + 1) * each]
        part[...] = source.draw(part.size, *parameters)
    return out


def _ending_shape(c: ShapeContext) -> Shape:
    shape = seeded_shape(c)
    common = c.input(2)
    for other in c.inputs()[3:]:
        common = broadcast(common, other)
    return shape


stateless_parameterized = op(
    f"StatelessParameterizedTruncatedNormal(shape: S, seed: Tseed, means: dtype, stddevs: dtype, "
    f"minvals: dtype, maxvals: dtype; S: type in {INDEX}, Tseed: type in {INDEX} = int64, "
    "dtype: type in {half, float, double}) -> (output: dtype)",
    shape=_ending_shape,
    allocates_output=True,
)


@stateless_parameterized.kernel
def _(
    xp: Any, shape: Any, seed: Any, means: Any, stddevs: Any, minvals: Any, maxvals: Any, *, dtype: DType
) -> Any:
    """Draws samples whose last axes are those of the parameters."""
    dims, generator = known_shape(shape), stream_from_seed(seed)
    parameters = _broadcast((means, stddevs, minvals, maxvals))
    common = parameters[0].shape
    if dims[len(dims) - len(common) :] != common:
        raise invalid(f"a shape of {list(dims)} does not end with that of the parameters, {list(common)}")
    out = allocate(dims, dtype.numpy)
    if out.size:
        source = _Batches(generator, dtype)
        columns = out.reshape(-1, parameters[0].size)
        for batch, values in enumerate(zip(*(p.reshape(-1) for p in parameters))):
            columns[:, batch] = source.draw(len(columns), *values)
    return out


def _broadcast(values: Sequence[Any]) -> list[Array]:
    try:
        return list(np.broadcast_arrays(*values))
    except ValueError:
        shown = ", ".join(str(list(v.shape)) for v in values)
        raise invalid(f"the parameters must broadcast, but are of shapes {shown}") from None


@stateless_parameterized.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Any]:
    """The gradient at a fixed quantile. Figurnov, Mohamed, Mnih: Implicit reparameterization gradients.
    NeurIPS 2018."""
    _, _, mean, deviation, low, high = node.inputs
    sample = node.outputs[0]
    kind = np.finfo(mean.dtype.numpy)
    z, z_low, z_high = ((x - mean) / deviation for x in (sample, low, high))
    below, above = _normal_cdf(g, z_low), _normal_cdf(g, z_high)
    quantile = (_normal_cdf(g, z) - below) / (above - below)
    quantile = g.Maximum(g.Minimum(quantile, 1 - kind.eps), kind.tiny)
    half_square = g.Square(z) * 0.5
    d_high = g.Exp(half_square - g.Square(z_high) * 0.5 + g.Log(quantile))
    d_low = g.Exp(half_square - g.Square(z_low) * 0.5 + g.Log1p(-quantile))
    slopes = ((mean, dy), (deviation, dy * z), (low, dy * d_low), (high, dy * d_high))
    return [None, None, *(sum_to(g, slope, x, sample) for x, slope in slopes)]


def _normal_cdf(g: GraphBuilder, x: Tensor) -> Tensor:
    return g.Erfc(x * -math.sqrt(0.5)) * 0.5
