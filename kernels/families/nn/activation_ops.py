"""Activation functions, each with the operation that computes its gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ...core import shapes
from ...core.registry import Family, Op
from ...core.types import HALF_FIRST_FLOATS, REAL_NUMBERS
from ..elementwise import where

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor

family = Family(__name__)
op = family.op

# Klambauer et al., "Self-Normalizing Neural Networks", 2017.
_SELU_SCALE = 1.0507009873554805
_SELU_SCALE_ALPHA = 1.7580993408473766


def _grad_op(text: str) -> Callable[[Callable[..., Any]], Op]:
    """Declares a gradient operation of two inputs, which must be of one shape, and decorates its kernel."""

    def declare(kernel: Callable[..., Any]) -> Op:
        declared = op(text, shape=shapes.like_all_inputs, allocates_output=True)

        def checked(xp: Any, dy: Any, x: Any) -> Any:
            if dy.shape != x.shape:
                raise invalid(f"gradients of shape {dy.shape} do not fit a tensor of shape {x.shape}")
            return kernel(xp, dy, x)

        def checked_alpha(xp: Any, dy: Any, x: Any, *, alpha: float) -> Any:
            if dy.shape != x.shape:
                raise invalid(f"gradients of shape {dy.shape} do not fit a tensor of shape {x.shape}")
            return kernel(xp, dy, x, alpha=alpha)

        declared.kernel(checked_alpha if "alpha" in text else checked)
        return declared

    return declare


relu = op(
    "Relu(features: T; T: type in {float, double, int32, uint8, int16, int8, int64, bfloat16, "
    "uint16, half, uint32, "
    "uint64, qint8}) -> (activations: T)",
    shape=shapes.like_input,
    allocates_output=True,
)


@relu.kernel
def _(xp: Any, x: Any) -> Any:
    return xp.maximum(x, x.dtype.type(0))


@relu.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return g.ReluGrad(dy, node.outputs[0])


@_grad_op(f"ReluGrad(gradients: T, features: T; T: type in {REAL_NUMBERS}) -> (backprops: T)")
def relu_grad(xp: Any, dy: Any, x: Any) -> Any:
    return dy * (x > 0)


@relu_grad.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, Tensor]:
    x = node.inputs[1]
    return g.ReluGrad(dy, x), g.zeros_like(x)


relu6 = op(
    f"Relu6(features: T; T: type in {REAL_NUMBERS}) -> (activations: T)",
    shape=shapes.like_input,
    allocates_output=True,
)


@relu6.kernel
def _(xp: Any, x: Any) -> Any:
    number = x.dtype.type
    # numpy has no clip for bfloat16.
    if x.dtype.itemsize == 2:
        return xp.minimum(xp.maximum(x, number(0)), number(6))
    return xp.clip(x, number(0), number(6))


@relu6.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return g.Relu6Grad(dy, node.outputs[0])


@_grad_op(f"Relu6Grad(gradients: T, features: T; T: type in {REAL_NUMBERS}) -> (backprops: T)")
def relu6_grad(xp: Any, dy: Any, x: Any) -> Any:
    return dy * ((x > 0) & (x < 6))


@relu6_grad.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, Tensor]:
    x = node.inputs[1]
    return g.Relu6Grad(dy, x), g.zeros_like(x)


leaky_relu = op(
    f"LeakyRelu(features: T; alpha: float = 0.2, T: type in {HALF_FIRST_FLOATS} = float) -> (activations: T)",
    shape=shapes.like_input,
    allocates_output=True,
)


@leaky_relu.kernel
def _(xp: Any, x: Any, *, alpha: float) -> Any:
    if 0 < alpha <= 1:
        return xp.maximum(x, x * x.dtype.type(alpha))
    return where(xp, x > 0, x, x * x.dtype.type(alpha))


@leaky_relu.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return g.LeakyReluGrad(dy, node.inputs[0], alpha=node.attr("alpha"))


@_grad_op(
    f"LeakyReluGrad(gradients: T, features: T; alpha: float = 0.2, T: type in {HALF_FIRST_FLOATS} = float) "
    "-> (backprops: T)"
)
def leaky_relu_grad(xp: Any, dy: Any, x: Any, *, alpha: float) -> Any:
    return where(xp, x > 0, dy, dy * dy.dtype.type(alpha))


@leaky_relu_grad.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, Tensor]:
    x = node.inputs[1]
    return g.LeakyReluGrad(dy, x, alpha=node.attr("alpha")), g.zeros_like(x)


elu = op(
    f"Elu(features: T; T: type in {HALF_FIRST_FLOATS}) -> (activations: T)",
    shape=shapes.like_input,
    allocates_output=True,
)


@elu.kernel
def _(xp: Any, x: Any) -> Any:
    zero = x.dtype.type(0)
    return xp.maximum(x, zero) + xp.expm1(xp.minimum(x, zero))


@elu.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return g.EluGrad(dy, node.outputs[0])


@_grad_op(f"EluGrad(gradients: T, outputs: T; T: type in {HALF_FIRST_FLOATS}) -> (backprops: T)")
def elu_grad(xp: Any, dy: Any, y: Any) -> Any:
    # An output of NaN counts as positive.
    return (xp.fmin(y, y.dtype.type(0)) + y.dtype.type(1)) * dy


selu = op(
    f"Selu(features: T; T: type in {HALF_FIRST_FLOATS}) -> (activations: T)",
    shape=shapes.like_input,
    allocates_output=True,
)


@selu.kernel
def _(xp: Any, x: Any) -> Any:
    number = x.dtype.type
    below = number(_SELU_SCALE_ALPHA) * (xp.exp(xp.minimum(x, number(0))) - number(1))
    return number(_SELU_SCALE) * xp.maximum(x, number(0)) + below


@selu.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return g.SeluGrad(dy, node.outputs[0])


@_grad_op(f"SeluGrad(gradients: T, outputs: T; T: type in {HALF_FIRST_FLOATS}) -> (backprops: T)")
def selu_grad(xp: Any, dy: Any, y: Any) -> Any:
    number = y.dtype.type
    return where(xp, y < 0, dy * (y + number(_SELU_SCALE_ALPHA)), dy * number(_SELU_SCALE))


def _exponential_grad_gradient(op_name: str) -> Callable[..., Any]:
    """Makes the gradient of a gradient operation that, below zero, is gradients * (outputs + constant)."""

    def gradient(g: GraphBuilder, node: NodeView, ddy: Tensor) -> tuple[Tensor, Tensor]:
        dy, y = node.inputs
        below = g.Less(y, g.zeros_like(y))
        return g.add_op(op_name, ddy, y), g.SelectV2(below, ddy * dy, g.zeros_like(y))

    return gradient


elu_grad.gradient(_exponential_grad_gradient("EluGrad"))
selu_grad.gradient(_exponential_grad_gradient("SeluGrad"))


softplus = op(
    f"Softplus(features: T; T: type in {HALF_FIRST_FLOATS}) -> (activations: T)",
    shape=shapes.like_input,
    allocates_output=True,
)


@softplus.kernel
def _(xp: Any, x: Any) -> Any:
    return xp.maximum(x, x.dtype.type(0)) + xp.log1p(xp.exp(-xp.abs(x)))


@softplus.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return dy * g.Sigmoid(node.inputs[0])


@_grad_op(f"SoftplusGrad(gradients: T, features: T; T: type in {HALF_FIRST_FLOATS}) -> (backprops: T)")
def softplus_grad(xp: Any, dy: Any, x: Any) -> Any:
    return dy / (xp.exp(-x) + x.dtype.type(1))


@softplus_grad.gradient
def _(g: GraphBuilder, node: NodeView, ddy: Tensor) -> tuple[Tensor, Tensor]:
    dy, x = node.inputs
    return g.SoftplusGrad(ddy, x), ddy * dy / (g.Exp(-x) + 2.0 + g.Exp(x))


softsign = op(
    f"Softsign(features: T; T: type in {HALF_FIRST_FLOATS}) -> (activations: T)",
    shape=shapes.like_input,
    allocates_output=True,
)


@softsign.kernel
def _(xp: Any, x: Any) -> Any:
    return x / (xp.abs(x) + x.dtype.type(1))


@softsign.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return g.SoftsignGrad(dy, node.inputs[0])


@_grad_op(f"SoftsignGrad(gradients: T, features: T; T: type in {HALF_FIRST_FLOATS}) -> (backprops: T)")
def softsign_grad(xp: Any, dy: Any, x: Any) -> Any:
    return dy / xp.square(xp.abs(x) + x.dtype.type(1))
