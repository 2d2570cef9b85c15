"""Epilogues: the elementwise operations that a fused product or convolution applies to its result.

TensorFlow names them in the attribute ``fused_ops`` (core/kernels/fused_eigen_output_kernels.h), in the order in which
they apply; their tensors follow the operands in ``args``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ....graphfmt.errors import Status, TfgError, invalid
from ..elementwise import in_float, special_functions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Epilogue(NamedTuple):
    """A sequence of fused operations with their attributes.

    ``epsilon`` belongs to FusedBatchNorm, ``alpha`` to LeakyRelu.
    """

    ops: tuple[str, ...]
    epsilon: float
    alpha: float

    @property
    def arguments(self) -> int:
        """The number of tensors that the operations take besides the product."""
        return sum(_ARGUMENTS.get(op, 0) for op in self.ops)

    def apply(self, xp: Any, y: Any, args: Sequence[Any], channel_axis: int) -> Any:
        """Returns the result for a product ``y``, which is not written to."""
        rest = list(args)
        for op in self.ops:
            taken, rest = rest[: _ARGUMENTS.get(op, 0)], rest[_ARGUMENTS.get(op, 0) :]
            if op == "Add":
                y = _add(y, *taken)
            elif op == "BiasAdd":
                y = y + _along(y, taken[0], channel_axis, "bias")
            elif op == "FusedBatchNorm":
                y = self._normalize(xp, y, taken, channel_axis)
            else:
                y = _ACTIVATIONS[op](xp, y, self.alpha)
        return y

    def _normalize(self, xp: Any, y: Any, args: Sequence[Any], axis: int) -> Any:
        """Inference: the population's mean and variance are given."""
        names = ("scale", "offset", "mean", "variance")
        scale, offset, mean, variance = (_along(y, arg, axis, name) for name, arg in zip(names, args))
        factor = scale / xp.sqrt(variance + variance.dtype.type(self.epsilon))
        return (y - mean) * factor + offset


_ARGUMENTS = {"BiasAdd": 1, "Add": 1, "FusedBatchNorm": 4}


@cache
def epilogue(fused_ops: tuple[str, ...], num_args: int, epsilon: float, alpha: float) -> Epilogue:
    """Returns the epilogue of a node's attributes.

    Raises INVALID_ARGUMENT unless the operations take ``num_args`` tensors, UNIMPLEMENTED for an unknown one.
    """
    for op in fused_ops:
        if op not in _ARGUMENTS and op not in _ACTIVATIONS:
            raise TfgError(Status.UNIMPLEMENTED, f"fused_ops has {op!r}, which cannot be fused here")
    made = Epilogue(fused_ops, epsilon, alpha)
    if not fused_ops:
        raise invalid("fused_ops is empty: a fused operation needs at least one")
    if made.arguments != num_args:
        raise invalid(f"fused_ops {list(fused_ops)} takes {made.arguments} tensors, but args has {num_args}")
    return made


def _along(y: Any, vector: Any, axis: int, name: str) -> Any:
    """A vector with an element per channel, in a shape that broadcasts over ``y``."""
    channels = y.shape[axis]
    if vector.shape != (channels,):
        raise invalid(f"{name} must have {channels} elements, one per channel, but has shape {vector.shape}")
    return vector.reshape(tuple(channels if i == axis % y.ndim else 1 for i in range(y.ndim)))


def _add(y: Any, other: Any) -> Any:
    if np.broadcast_shapes(y.shape, other.shape) != y.shape:
        raise invalid(f"a tensor of shape {other.shape} cannot be added to a result of shape {y.shape}")
    return y + other


def _clamped(low: float, high: float | None = None) -> Callable[[Any, Any, float], Any]:
    def activate(xp: Any, y: Any, alpha: float) -> Any:
        y = xp.maximum(y, y.dtype.type(low))
        return y if high is None else xp.minimum(y, y.dtype.type(high))

    return activate


def _elu(xp: Any, y: Any, alpha: float) -> Any:
    return xp.where(y < 0, in_float(xp, lambda v: xp.expm1(xp.minimum(v, 0)), y), y)


def _leaky_relu(xp: Any, y: Any, alpha: float) -> Any:
    return xp.where(y > 0, y, y * y.dtype.type(alpha))


def _sigmoid(xp: Any, v: Any) -> Any:
    return 1 / (1 + xp.exp(-v))


def _gelu_exact(xp: Any, v: Any) -> Any:
    erf = special_functions(xp).erf
    return v.dtype.type(0.5) * v * (1 + erf(v * v.dtype.type(0.7071067811865476)))


def _gelu_approximate(xp: Any, v: Any) -> Any:
    inner = v.dtype.type(0.7978845608028654) * (v + v.dtype.type(0.044715) * v * v * v)
    return v.dtype.type(0.5) * v * (1 + xp.tanh(inner))


def _hard_swish(xp: Any, v: Any) -> Any:
    return v * xp.minimum(xp.maximum(v + 3, 0), 6) * v.dtype.type(1 / 6)


def _smooth(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any, float], Any]:
    """An activation of several steps, which 16-bit floats take in 32 bits."""

    def activate(xp: Any, y: Any, alpha: float) -> Any:
        return in_float(xp, lambda v: function(xp, v), y)

    return activate


def _swish(xp: Any, v: Any) -> Any:
    return v * _sigmoid(xp, v)


_ACTIVATIONS: dict[str, Callable[[Any, Any, float], Any]] = {
    "Relu": _clamped(0),
    "Relu6": _clamped(0, 6),
    "Elu": _elu,
    "LeakyRelu": _leaky_relu,
    "Tanh": _smooth(lambda xp, v: xp.tanh(v)),
    "Sigmoid": _smooth(_sigmoid),
    "GeluExact": _smooth(_gelu_exact),
    "GeluApproximate": _smooth(_gelu_approximate),
    "_FusedHardSwish": _smooth(_hard_swish),
    "_FusedSwish": _smooth(_swish),
    "_MklSwish": _smooth(_swish),
}
