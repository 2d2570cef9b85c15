"""Stateful random operations with attributes ``seed`` and ``seed2``: every run of a node continues the
node's stream (random_op.cc, random_shuffle_op.cc in TensorFlow)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.dtypes import DType
from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import Shape
from ....graphfmt.tensors import Array
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...core.types import HALF_FIRST_FLOATS, INDEX
from ...numeric import distributions
from ...numeric.int_arguments import known_shape
from ...numeric.philox import Philox
from .generators import PER_OUTPUT, reserve_node_stream, stream_from_key_counter

if TYPE_CHECKING:
    from ...core.inference import ShapeContext

family = Family(
    __name__, gpu=GpuSupport.STATE, host_inputs="alg counter key shape size", computed_on_host=True
)
op = family.op

_SEEDS = "seed: int = 0, seed2: int = 0"

Sampler = Callable[[DType, Philox, Sequence[int]], Array]


def requested_shape(c: ShapeContext) -> Shape:
    """The shape that the input ``shape`` states."""
    c.with_rank("shape", 1)
    return c.as_shape("shape")


def _declare(name: str, sample: Sampler) -> None:
    declared = op(
        f"{name}(shape: T; {_SEEDS}, dtype: type in {HALF_FIRST_FLOATS}, T: type in {INDEX}) "
        "-> (output: dtype)",
        shape=requested_shape,
        stateful=True,
        differentiable=False,
        allocates_output=True,
    )

    @declared.kernel
    def _(ctx: Any, xp: Any, shape: Any, *, node_name: str, seed: int, seed2: int, dtype: DType) -> Any:
        dims = known_shape(shape)
        return sample(
            dtype, reserve_node_stream(ctx, node_name, seed, seed2, math.prod(dims) * PER_OUTPUT), dims
        )


_declare("RandomUniform", distributions.uniforms)
_declare("RandomStandardNormal", distributions.normals)
_declare("TruncatedNormal", distributions.truncated_normals)


def requested_shape_and_bounds(c: ShapeContext) -> Shape:
    """As ``requested_shape``, with scalars minval and maxval."""
    c.with_rank("minval", 0)
    c.with_rank("maxval", 0)
    return requested_shape(c)


random_uniform_int = op(
    f"RandomUniformInt(shape: T, minval: Tout, maxval: Tout; {_SEEDS}, Tout: type in {INDEX}, "
    f"T: type in {INDEX}) -> (output: Tout)",
    shape=requested_shape_and_bounds,
    stateful=True,
    allocates_output=True,
)


@random_uniform_int.kernel
def _(
    ctx: Any, xp: Any, shape: Any, low: Any, high: Any, *, node_name: str, seed: int, seed2: int, Tout: DType
) -> Any:
    dims = known_shape(shape)
    if math.prod(dims) == 0:
        return distributions.allocate(dims, Tout.numpy)
    chosen = distributions.uniform_int(Tout, low, high)
    return chosen.fill(reserve_node_stream(ctx, node_name, seed, seed2, math.prod(dims) * PER_OUTPUT), dims)


# Shuffling.


def permutation(size: int, generator: Philox) -> Array:
    """Returns a shuffled ``arange(size)`` (Fisher and Yates): each element in turn is swapped with one at
    or after it."""
    words = generator.words(-(-(size - 1) // 4))[: size - 1]
    distances = (words % np.arange(size, 1, -1, dtype=np.uint32)).tolist()
    order = list(range(size))
    for place, distance in enumerate(distances):
        other = place + distance
        order[place], order[other] = order[other], order[place]
    return np.array(order, np.intp)


random_shuffle = op(
    f"RandomShuffle(value: T; {_SEEDS}, T: type) -> (output: T)",
    shape=shapes.like_input,
    stateful=True,
    differentiable=False,
)


@random_shuffle.kernel
def _(ctx: Any, xp: Any, value: Any, *, node_name: str, seed: int, seed2: int) -> Any:
    if value.size <= 1 or len(value) <= 1:
        return value
    samples = len(value) - 1
    return value[permutation(len(value), reserve_node_stream(ctx, node_name, seed, seed2, -(-samples // 4)))]


stateless_shuffle = op(
    "StatelessShuffle(value: T, key: uint64, counter: uint64, alg: int32; T: type) -> (output: T)",
    shape=shapes.like_input,
)


@stateless_shuffle.kernel
def _(xp: Any, value: Any, key: Any, counter: Any, alg: Any) -> Any:
    generator = stream_from_key_counter(key, counter, alg)
    if value.size <= 1 or len(value) <= 1:
        return value
    return value[permutation(len(value), generator)]


# Cropping.


def _crop_shape(c: ShapeContext) -> Shape:
    image, size = c.with_rank("image", 3), c.as_shape("size")
    if size.rank is None:
        return Shape((None, None, image[2]))
    return Shape((size[0], size[1], image[2]))


random_crop = op(
    "RandomCrop(image: T, size: int64; T: type in {uint8, int8, int16, int32, int64, float, double}, "
    f"{_SEEDS}) -> (output: T)",
    shape=_crop_shape,
    stateful=True,
    differentiable=False,
    gpu=GpuSupport.NONE,
)


@random_crop.kernel
def _(ctx: Any, xp: Any, image: Any, size: Any, *, node_name: str, seed: int, seed2: int) -> Any:
    if image.ndim != 3 or size.shape != (2,):
        raise invalid(
            f"image must be of rank 3 and size of shape [2], but they are of shapes {list(image.shape)} "
            f"and {list(size.shape)}"
        )
    rows, columns = size.tolist()
    if not (0 <= rows <= image.shape[0] and 0 <= columns <= image.shape[1]):
        raise TfgError(
            Status.FAILED_PRECONDITION,
            f"a piece of {rows} by {columns} cannot be cut from an image of shape {list(image.shape)}",
        )
    if (rows, columns) == image.shape[:2]:
        return image
    words = iter(reserve_node_stream(ctx, node_name, seed, seed2, 1).words(1).tolist())
    left = next(words) % (image.shape[1] - columns + 1) if columns < image.shape[1] else 0
    top = next(words) % (image.shape[0] - rows + 1) if rows < image.shape[0] else 0
    return image[top : top + rows, left : left + columns]
