"""Stateless random operations, whose outputs depend only on their inputs: a seed, or a key and a counter
(stateless_random_ops.cc, stateless_random_ops_v2.cc in TensorFlow)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import SCALAR, Shape, vector
from ...core.registry import Family
from ...core.types import HALF_FIRST_FLOATS, INDEX
from ...numeric import distributions
from ...numeric.int_arguments import known_shape
from ...numeric.philox import Philox, from_seed_pair
from .generators import stream_from_key_counter
from .random_ops import Sampler, requested_shape

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="alg counter key seed shape", computed_on_host=True)
op = family.op

_SEED_PAIR_FLOATS = (
    f"shape: T, seed: Tseed; dtype: type in {HALF_FIRST_FLOATS} = float, "
    f"T: type in {INDEX} = int32, Tseed: type in {INDEX} = int64"
)
_STREAM = "shape: Tshape, key: uint64, counter: uint64, alg: int32"
_ALL_INTS = "{int32, int64, uint32, uint64}"


def stream_from_seed(seed: Any) -> Philox:
    """Returns the stream of a seed. Raises INVALID_ARGUMENT unless the seed is [2] of int32 or int64."""
    if seed.shape != (2,):
        raise invalid(f"seed must have shape [2], not {list(seed.shape)}")
    if dtypes.of_numpy(seed.dtype).name not in ("int32", "int64"):
        raise invalid(f"seed must be int32 or int64, not {seed.dtype}")
    return from_seed_pair(seed)


def check_seed(c: ShapeContext) -> None:
    """Raises INVALID_ARGUMENT unless the input ``seed`` may be of shape [2]."""
    c.with_rank("seed", 1).merge(vector(2))


def seeded_shape(c: ShapeContext) -> Shape:
    """The requested shape; checks the seed."""
    check_seed(c)
    return requested_shape(c)


def check_stream(c: ShapeContext) -> None:
    """Raises INVALID_ARGUMENT unless key may be [1], counter a vector and alg a scalar."""
    c.with_rank("key", 1).merge(vector(1))
    c.with_rank("counter", 1)
    c.with_rank("alg", 0)


def stream_shape(c: ShapeContext) -> Shape:
    """The requested shape; checks key, counter and algorithm."""
    check_stream(c)
    return requested_shape(c)


def _declare(name: str, sample: Sampler) -> None:
    """Declares both versions of a distribution of floats: with a seed, and with key and counter."""
    by_seed = op(
        f"Stateless{name}({_SEED_PAIR_FLOATS}) -> (output: dtype)",
        shape=seeded_shape,
        differentiable=False,
        allocates_output=True,
    )
    by_stream = op(
        f"Stateless{name}V2({_STREAM}; dtype: type in {HALF_FIRST_FLOATS} = float, "
        f"Tshape: type in {INDEX} = int32) -> (output: dtype)",
        shape=stream_shape,
        differentiable=False,
        allocates_output=True,
    )

    @by_seed.kernel
    def _(xp: Any, shape: Any, seed: Any, *, dtype: DType) -> Any:
        dims = known_shape(shape)
        return sample(dtype, stream_from_seed(seed), dims)

    @by_stream.kernel
    def _(xp: Any, shape: Any, key: Any, counter: Any, alg: Any, *, dtype: DType) -> Any:
        generator = stream_from_key_counter(key, counter, alg)
        return sample(dtype, generator, known_shape(shape))


_declare("RandomUniform", distributions.uniforms)
_declare("RandomNormal", distributions.normals)
_declare("TruncatedNormal", distributions.truncated_normals)

# Integers.

stateless_full_int = op(
    f"StatelessRandomUniformFullInt(shape: T, seed: Tseed; dtype: type in {_ALL_INTS} = uint64, "
    f"T: type in {INDEX} = int32, Tseed: type in {_ALL_INTS} = int64) -> (output: dtype)",
    shape=seeded_shape,
    differentiable=False,
    allocates_output=True,
)


@stateless_full_int.kernel
def _(xp: Any, shape: Any, seed: Any, *, dtype: DType) -> Any:
    return distributions.full_ints(dtype, stream_from_seed(seed), known_shape(shape))


stateless_full_int_v2 = op(
    f"StatelessRandomUniformFullIntV2({_STREAM}; dtype: type in {_ALL_INTS} = uint64, "
    f"Tshape: type in {INDEX} = int32) -> (output: dtype)",
    shape=stream_shape,
    differentiable=False,
    allocates_output=True,
)


@stateless_full_int_v2.kernel
def _(xp: Any, shape: Any, key: Any, counter: Any, alg: Any, *, dtype: DType) -> Any:
    return distributions.full_ints(dtype, stream_from_key_counter(key, counter, alg), known_shape(shape))


def _bounded_seeded_shape(c: ShapeContext) -> Shape:
    c.with_rank("minval", 0)
    c.with_rank("maxval", 0)
    return seeded_shape(c)


def _bounded_stream_shape(c: ShapeContext) -> Shape:
    c.with_rank("minval", 0)
    c.with_rank("maxval", 0)
    return stream_shape(c)


def _between(dtype: DType, generator: Philox, shape: Any, low: Any, high: Any) -> Any:
    dims = known_shape(shape)
    if math.prod(dims) == 0:
        # The bounds are not checked for an empty output.
        return distributions.allocate(dims, dtype.numpy)
    return distributions.uniform_int(dtype, low, high).fill(generator, dims)


stateless_uniform_int = op(
    f"StatelessRandomUniformInt(shape: T, seed: Tseed, minval: dtype, maxval: dtype; dtype: type in {INDEX}, "
    f"T: type in {INDEX}, Tseed: type in {INDEX} = int64) -> (output: dtype)",
    shape=_bounded_seeded_shape,
    differentiable=False,
    allocates_output=True,
)


@stateless_uniform_int.kernel
def _(xp: Any, shape: Any, seed: Any, low: Any, high: Any, *, dtype: DType) -> Any:
    return _between(dtype, stream_from_seed(seed), shape, low, high)


stateless_uniform_int_v2 = op(
    f"StatelessRandomUniformIntV2({_STREAM}, minval: dtype, maxval: dtype; dtype: type in {_ALL_INTS}, "
    f"Tshape: type in {INDEX} = int32) -> (output: dtype)",
    shape=_bounded_stream_shape,
    differentiable=False,
    allocates_output=True,
    kernel_types={"dtype": "int32 int64"},
)


@stateless_uniform_int_v2.kernel
def _(xp: Any, shape: Any, key: Any, counter: Any, alg: Any, low: Any, high: Any, *, dtype: DType) -> Any:
    return _between(dtype, stream_from_key_counter(key, counter, alg), shape, low, high)


# Keys and counters.


def _parts(generator: Philox) -> list[Any]:
    counter = (generator.counter & (2**64 - 1), generator.counter >> 64)
    return [np.array([generator.key], np.uint64), np.array(counter, np.uint64)]


def _key_counter_shape(c: ShapeContext) -> list[Shape]:
    check_seed(c)
    return [vector(1), vector(2), SCALAR][: len(c.bound.output_types)]


get_key_counter = op(
    f"StatelessRandomGetKeyCounter(seed: Tseed; Tseed: type in {INDEX} = int64) "
    "-> (key: uint64, counter: uint64)",
    shape=_key_counter_shape,
    allocates_output=True,
    host_outputs=True,
)


@get_key_counter.kernel
def _(xp: Any, seed: Any) -> list[Any]:
    return _parts(stream_from_seed(seed))


get_key_counter_alg = op(
    f"StatelessRandomGetKeyCounterAlg(seed: Tseed; Tseed: type in {INDEX} = int64) "
    "-> (key: uint64, counter: uint64, alg: int32)",
    shape=_key_counter_shape,
    allocates_output=True,
    host_outputs=True,
)


@get_key_counter_alg.kernel
def _(xp: Any, seed: Any) -> list[Any]:
    return [*_parts(stream_from_seed(seed)), np.int32(1)]


get_alg = op(
    "StatelessRandomGetAlg() -> (alg: int32)", shape=lambda c: SCALAR, stateful=True, host_outputs=True
)


@get_alg.kernel
def _(xp: Any) -> Any:
    return np.int32(1)
