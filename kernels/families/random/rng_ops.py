"""Random operations on a generator whose state is a variable: counter and key, three int64
(stateful_random_ops.cc in TensorFlow)."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, vector
from ...core.registry import Family
from ...numeric import distributions
from ...numeric.int_arguments import known_shape
from ..state.state_ops import resource_variable
from .generators import PER_OUTPUT, reserve_from_variable, to_state
from .random_ops import Sampler, requested_shape

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ....graphfmt.tensors import Array
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="alg shape")
op = family.op

_FLOATS = "half bfloat16 float double"
_INTS = "int32 int64 uint32 uint64"


def _scalar(value: Any, name: str) -> int:
    if value.ndim != 0:
        raise invalid(f"{name} must be a scalar, but has shape {list(value.shape)}")
    return int(value)


def _sampled_shape(c: ShapeContext) -> Shape:
    c.with_rank("resource", 0)
    c.with_rank("algorithm", 0)
    return requested_shape(c)


def _declare(name: str, sample: Sampler, default: str, types: str) -> None:
    declared = op(
        f"{name}(resource: resource, algorithm: int64, shape: shape_dtype; dtype: type = {default}, "
        "shape_dtype: type = int64) -> (output: dtype)",
        shape=_sampled_shape,
        stateful=True,
        kernel_types={"dtype": types},
    )

    @declared.kernel
    def _(xp: Any, resource: Any, algorithm: Any, shape: Any, *, dtype: DType) -> Any:
        number, dims = _scalar(algorithm, "algorithm"), known_shape(shape)
        return sample(
            dtype,
            reserve_from_variable(resource_variable(resource), number, math.prod(dims) * PER_OUTPUT),
            dims,
        )


_declare("StatefulStandardNormalV2", distributions.normals, "float", _FLOATS)
_declare("StatefulTruncatedNormal", distributions.truncated_normals, "float", _FLOATS)
_declare("StatefulUniform", distributions.uniforms, "float", _FLOATS)
_declare("StatefulUniformFullInt", distributions.full_ints, "uint64", _INTS)


def _tagged_shape(c: ShapeContext) -> Shape:
    c.with_rank("resource", 0)
    return requested_shape(c)


stateful_standard_normal = op(
    "StatefulStandardNormal(resource: resource, shape: shape_dtype; dtype: type = float, "
    "shape_dtype: type = int64) -> (output: dtype)",
    shape=_tagged_shape,
    stateful=True,
    kernel_types={"dtype": _FLOATS},
)


@stateful_standard_normal.kernel
def _(xp: Any, resource: Any, shape: Any, *, dtype: DType) -> Any:
    dims = known_shape(shape)
    generator = reserve_from_variable(
        resource_variable(resource), 0, math.prod(dims) * PER_OUTPUT, tagged=True
    )
    return distributions.normals(dtype, generator, dims)


def _bounded_shape(c: ShapeContext) -> Shape:
    c.with_rank("minval", 0)
    c.with_rank("maxval", 0)
    return _sampled_shape(c)


stateful_uniform_int = op(
    "StatefulUniformInt(resource: resource, algorithm: int64, shape: shape_dtype, minval: dtype, "
    "maxval: dtype; dtype: type = int64, shape_dtype: type = int64) -> (output: dtype)",
    shape=_bounded_shape,
    stateful=True,
    kernel_types={"dtype": "int32 int64"},
)


@stateful_uniform_int.kernel
def _(xp: Any, resource: Any, algorithm: Any, shape: Any, minval: Any, maxval: Any, *, dtype: DType) -> Any:
    number = _scalar(algorithm, "algorithm")
    chosen, dims = distributions.uniform_int(dtype, minval, maxval), known_shape(shape)
    return chosen.fill(
        reserve_from_variable(resource_variable(resource), number, math.prod(dims) * PER_OUTPUT), dims
    )


# Skipping.


def _skip_shape(c: ShapeContext) -> list[Shape]:
    for key in range(3):
        c.with_rank(key, 0)
    return []


rng_skip = op("RngSkip(resource: resource, algorithm: int64, delta: int64)", shape=_skip_shape, stateful=True)


@rng_skip.kernel
def _(xp: Any, resource: Any, algorithm: Any, delta: Any) -> list[Any]:
    number, steps = _scalar(algorithm, "algorithm"), _scalar(delta, "delta")
    reserve_from_variable(resource_variable(resource), number, steps * PER_OUTPUT)
    return []


def _read_and_skip_shape(c: ShapeContext) -> Shape:
    _skip_shape(c)
    return vector(None)


rng_read_and_skip = op(
    "RngReadAndSkip(resource: resource, alg: int32, delta: uint64) -> (value: int64)",
    shape=_read_and_skip_shape,
    stateful=True,
)


@rng_read_and_skip.kernel
def _(xp: Any, resource: Any, alg: Any, delta: Any) -> Any:
    number, steps = _scalar(alg, "alg"), _scalar(delta, "delta")
    found = reserve_from_variable(resource_variable(resource), number, steps * PER_OUTPUT)
    return to_state(found)


non_deterministic_ints = op(
    "NonDeterministicInts(shape: shape_dtype; dtype: type = int64, shape_dtype: type = int64) "
    "-> (output: dtype)",
    shape=requested_shape,
    stateful=True,
    allocates_output=True,
    kernel_types={"dtype": _INTS},
)


@non_deterministic_ints.kernel
def _(xp: Any, shape: Any, *, dtype: DType) -> Any:
    out: Array = distributions.allocate(known_shape(shape), dtype.numpy)
    out.reshape(-1)[...] = np.frombuffer(os.urandom(out.nbytes), out.dtype)
    return out
