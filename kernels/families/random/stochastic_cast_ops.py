"""StochasticCastToInt: rounds up with a probability that is the fractional part (stochastic_cast_op.cc in TensorFlow).

TensorFlow's random numbers depend on the width of the processor's vectors, and its results beyond the integers' range
as well. Here element i takes number i of StatelessRandomUniformV2's stream, and the result saturates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ...core.registry import Family
from ...numeric import distributions
from .generators import stream_from_key_counter
from .stateless_random_ops import check_stream

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ....graphfmt.shapes import Shape
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="alg counter key", computed_on_host=True)
op = family.op


def _cast_shape(c: ShapeContext) -> Shape:
    check_stream(c)
    return c.input("input")


cast = op(
    "StochasticCastToInt(input: Tin, key: uint64, counter: uint64, alg: int32; "
    "Tin: type in {half, bfloat16, float, double}, Tout: type in {int8, int16, int32}) -> (output: Tout)",
    shape=_cast_shape,
    allocates_output=True,
)


@cast.kernel
def _(xp: Any, x: Any, key: Any, counter: Any, alg: Any, *, Tout: DType) -> Any:
    values = np.asarray(x).astype(np.float64)
    stream = stream_from_key_counter(key, counter, alg)
    down = np.floor(values)
    with np.errstate(invalid="ignore"):
        up = distributions.uniforms(dtypes.float64, stream, values.shape) < values - down
        rounded = down + up
    range_of = np.iinfo(Tout.numpy)
    # NaN becomes 0.
    whole = np.where(values == values, rounded.clip(range_of.min, range_of.max), 0)
    return whole.astype(Tout.numpy)
