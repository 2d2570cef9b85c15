"""Random gamma and Poisson samples, stateful and stateless, and RandomGammaGrad (random_op.cc,
random_poisson_op.cc in TensorFlow)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...builder.broadcast_gradients import sum_to
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...core.types import INDEX
from ...numeric.distributions import allocate
from ...numeric.int_arguments import known_shape
from .gamma_derivative import sample_derivative
from .generators import PER_OUTPUT, reserve_node_stream, stream_from_key_counter
from .random_ops import requested_shape
from .rejection import sample_gamma, sample_per_parameter, sample_poisson, to_integers
from .stateless_random_ops import seeded_shape, stream_from_seed, stream_shape

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ....graphfmt.tensors import Array
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext
    from ...numeric.philox import Philox

family = Family(__name__, gpu=GpuSupport.NONE, host_inputs="alg counter key seed shape")
op = family.op

_SEEDS = "seed: int = 0, seed2: int = 0"
_FLOATS = "{half, float, double}"
_RATES = "{half, float, double, int32, int64}"


def _sampled(sample: Any, generator: Philox, samples: int, parameter: Any, dtype: DType, dims: Any) -> Array:
    """Draws this number of samples for each element of the parameter, whose axes are the last of the result."""
    out = allocate(dims, dtype.numpy)
    if out.size:
        flat = np.asarray(parameter).astype(np.float64).reshape(-1)
        found = sample_per_parameter(sample, generator, samples, flat)
        out.reshape(-1)[...] = to_integers(found, dtype.numpy).reshape(-1)
    return out


def _followed(c: ShapeContext) -> Shape:
    """The requested shape followed by the parameter's."""
    given, parameter = requested_shape(c), c.input(1)
    if given.dims is None or parameter.dims is None:
        return UNKNOWN
    return Shape((*given.dims, *parameter.dims))


def _draw_followed(
    ctx: Any, node: tuple[str, int, int], sample: Any, shape: Any, parameter: Any, dtype: DType
) -> Any:
    dims = known_shape(shape)
    samples = math.prod(dims)
    total = samples * parameter.size
    generator = reserve_node_stream(ctx, *node, total * PER_OUTPUT)
    return _sampled(sample, generator, samples, parameter, dtype, (*dims, *parameter.shape))


def draw_with_parameter_axes_last(
    generator: Philox, sample: Any, shape: Any, parameter: Any, dtype: DType
) -> Any:
    """Draws samples of a shape. Raises INVALID_ARGUMENT unless its last axes are those of the parameter."""
    dims = known_shape(shape)
    if math.prod(dims) and dims[len(dims) - parameter.ndim :] != parameter.shape:
        raise invalid(
            f"a shape of {list(dims)} does not end with that of the parameter, {list(parameter.shape)}"
        )
    samples = math.prod(dims) // max(1, parameter.size)
    return _sampled(sample, generator, samples, parameter, dtype, dims)


# Gamma.

random_gamma = op(
    f"RandomGamma(shape: S, alpha: T; {_SEEDS}, S: type in {INDEX}, T: type in {_FLOATS}) -> (output: T)",
    shape=_followed,
    stateful=True,
    allocates_output=True,
)


@random_gamma.kernel
def _(ctx: Any, xp: Any, shape: Any, alpha: Any, *, node_name: str, seed: int, seed2: int, T: DType) -> Any:
    return _draw_followed(ctx, (node_name, seed, seed2), sample_gamma, shape, alpha, T)


stateless_gamma = op(
    f"StatelessRandomGammaV2(shape: T, seed: Tseed, alpha: dtype; dtype: type in {_FLOATS}, "
    f"T: type in {INDEX}, Tseed: type in {INDEX} = int64) -> (output: dtype)",
    shape=seeded_shape,
    allocates_output=True,
)


@stateless_gamma.kernel
def _(xp: Any, shape: Any, seed: Any, alpha: Any, *, dtype: DType) -> Any:
    return draw_with_parameter_axes_last(stream_from_seed(seed), sample_gamma, shape, alpha, dtype)


stateless_gamma_v3 = op(
    "StatelessRandomGammaV3(shape: shape_dtype, key: uint64, counter: uint64, alg: int32, alpha: dtype; "
    f"dtype: type in {_FLOATS}, shape_dtype: type in {INDEX} = int32) -> (output: dtype)",
    shape=stream_shape,
    allocates_output=True,
)


@stateless_gamma_v3.kernel
def _(xp: Any, shape: Any, key: Any, counter: Any, alg: Any, alpha: Any, *, dtype: DType) -> Any:
    return draw_with_parameter_axes_last(
        stream_from_key_counter(key, counter, alg), sample_gamma, shape, alpha, dtype
    )


@random_gamma.gradient
@stateless_gamma.gradient
@stateless_gamma_v3.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Any]:
    """Alpha is the last input; its axes are the last of the samples."""
    *others, alpha = node.inputs
    sample = node.outputs[0]
    slope = g.RandomGammaGrad(alpha, sample)
    return [None] * len(others) + [sum_to(g, dy * slope, alpha, sample)]


random_gamma_grad = op(
    "RandomGammaGrad(alpha: T, sample: T; T: type in {float, double}) -> (output: T)",
    shape=shapes.broadcast_inputs,
    allocates_output=True,
)


@random_gamma_grad.kernel
def _(xp: Any, alpha: Any, sample: Any, *, T: DType) -> Any:
    return sample_derivative(alpha, sample).astype(T.numpy)


# Poisson.

random_poisson = op(
    f"RandomPoisson(shape: S, rate: dtype; {_SEEDS}, S: type in {INDEX}, dtype: type in {_FLOATS}) "
    "-> (output: dtype)",
    shape=_followed,
    stateful=True,
    allocates_output=True,
)
random_poisson_v2 = op(
    f"RandomPoissonV2(shape: S, rate: R; {_SEEDS}, S: type in {INDEX}, R: type in {_RATES} = double, "
    f"dtype: type in {_RATES} = int64) -> (output: dtype)",
    shape=_followed,
    stateful=True,
    allocates_output=True,
)


@random_poisson.kernel
@random_poisson_v2.kernel
def _(
    ctx: Any, xp: Any, shape: Any, rate: Any, *, node_name: str, seed: int, seed2: int, dtype: DType
) -> Any:
    return _draw_followed(ctx, (node_name, seed, seed2), sample_poisson, shape, rate, dtype)


stateless_poisson = op(
    f"StatelessRandomPoisson(shape: T, seed: Tseed, lam: Rtype; Rtype: type in {_RATES}, "
    f"dtype: type in {_RATES}, T: type in {INDEX}, Tseed: type in {INDEX} = int64) -> (output: dtype)",
    shape=seeded_shape,
    differentiable=False,
    allocates_output=True,
)


@stateless_poisson.kernel
def _(xp: Any, shape: Any, seed: Any, lam: Any, *, dtype: DType) -> Any:
    return draw_with_parameter_axes_last(stream_from_seed(seed), sample_poisson, shape, lam, dtype)
