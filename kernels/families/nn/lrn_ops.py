"""LRN, local response normalization: each element over a power of the sum of squares of its neighbours in depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ...core.registry import Family
from ...numeric.convolution import accumulator_dtype

if TYPE_CHECKING:
    from ....graphfmt.shapes import Shape
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op

_ATTRS = (
    "depth_radius: int = 5, bias: float = 1, alpha: float = 1, beta: float = 0.5, "
    "T: type in {half, bfloat16, float} = float"
)


def _window_sums(xp: Any, x: Any, radius: int) -> Any:
    """Returns, for each element, the sum over elements at most ``radius`` away along the last axis."""
    depth = x.shape[-1]
    total = x.copy()
    for step in range(1, min(radius, depth - 1) + 1):
        total[..., step:] += x[..., :-step]
        total[..., :-step] += x[..., step:]
    return total


def _norms(xp: Any, x: Any, radius: int, bias: float, alpha: float) -> Any:
    squares = _window_sums(xp, xp.square(x), radius)
    squares *= x.dtype.type(alpha)
    squares += x.dtype.type(bias)
    return squares


def _inverse_power(xp: Any, x: Any, beta: float) -> Any:
    """``x ** -beta``; by square roots, which are many times faster than powers, for the usual exponents."""
    if beta == 1:
        return 1 / x
    if beta in (0.5, 0.75):
        root = xp.sqrt(x)
        return 1 / (root if beta == 0.5 else xp.sqrt(x * root))
    return x ** x.dtype.type(-beta)


def _check(x: Any, depth_radius: int) -> None:
    if x.ndim != 4:
        raise invalid(f"the input must be of rank 4, but has shape {x.shape}")
    if not 0 <= depth_radius < 2**31:
        raise invalid(f"depth_radius must not be negative, but is {depth_radius}")


lrn = op(f"LRN(input: T; {_ATTRS}) -> (output: T)", shape=lambda c: c.with_rank(0, 4), allocates_output=True)


@lrn.kernel
def _(xp: Any, x: Any, *, depth_radius: int, bias: float, alpha: float, beta: float) -> Any:
    _check(x, depth_radius)
    wide = x.astype(accumulator_dtype(x.dtype), copy=False)
    norms = _norms(xp, wide, depth_radius, bias, alpha)
    return (wide * _inverse_power(xp, norms, beta)).astype(x.dtype, copy=False)


_NAMES = ("depth_radius", "bias", "alpha", "beta")


@lrn.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    attrs = {name: node.attr(name) for name in _NAMES}
    return g.LRNGrad(dy, node.inputs[0], node.outputs[0], **attrs)


def _grad_shape(c: ShapeContext) -> Shape:
    shape = c.with_rank(0, 4)
    for key in (1, 2):
        shape = shape.merge(c.with_rank(key, 4))
    return shape


lrn_grad = op(
    f"LRNGrad(input_grads: T, input_image: T, output_image: T; {_ATTRS}) -> (output: T)",
    shape=_grad_shape,
    allocates_output=True,
)


@lrn_grad.kernel
def _(xp: Any, dy: Any, x: Any, y: Any, *, depth_radius: int, bias: float, alpha: float, beta: float) -> Any:
    _check(x, depth_radius)
    if not dy.shape == x.shape == y.shape:
        raise invalid(f"shapes must be equal, but are {dy.shape}, {x.shape} and {y.shape}")
    wide = accumulator_dtype(x.dtype)
    upstream, image, result = (v.astype(wide, copy=False) for v in (dy, x, y))
    norms = _norms(xp, image, depth_radius, bias, alpha)
    shares = _window_sums(xp, upstream * result / norms, depth_radius)
    shares *= image
    shares *= wide.type(-2 * alpha * beta)
    shares += upstream * _inverse_power(xp, norms, beta)
    return shares.astype(x.dtype, copy=False)
