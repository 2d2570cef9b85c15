"""Constants, placeholders, identities, NoOp, and operations on gradients alone (StopGradient, PreventGradient)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN
from ...core import shapes
from ...core.binding import PASS_ON
from ...core.facts import Fact, constant_fact
from ...core.inference import ShapeContext, attr_shape
from ...core.registry import Family
from ...core.traits import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.shapes import Shape
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.binding import Binding

family = Family(__name__)
op = family.op


def _const_fact(c: ShapeContext) -> Fact:
    dtype = c.bound.output_types[0]
    value = c.attr("value")
    if value.dtype is not dtype:
        raise invalid(f"Const of dtype {dtype} has a value of dtype {value.dtype}")
    return constant_fact(value.array(), dtype)


const = op(
    "Const(; value: tensor, dtype: type) -> (output: dtype)",
    shape=_const_fact,
    differentiable=False,
    role=Role.CONSTANT,
    is_free=True,
)


@const.bind
def _(b: Binding) -> Any:
    array = b.attrs["value"].array()
    return lambda: array


def _placeholder_shape(c: ShapeContext) -> Shape:
    return attr_shape(c.attr("shape"))


def _declared_shape(c: ShapeContext) -> Shape:
    """The attribute ``shape``. In graphs of producers up to 21, [] of a Placeholder stands for an unknown shape."""
    shape = _placeholder_shape(c)
    return UNKNOWN if c.op.name == "Placeholder" and c.producer <= 21 and shape.rank == 0 else shape


def _raise_not_fed(xp: Any, *, node_name: str, output_types: Any, shape: Shape) -> Any:
    raise invalid(
        f"You must feed a value for placeholder tensor {node_name!r} with dtype {output_types[0]} "
        f"and shape {shape}",
        hint=f"add --feed {node_name}=VALUE",
    )


for _text in (
    "Placeholder(; dtype: type, shape: shape = ?) -> (output: dtype)",
    "PlaceholderV2(; dtype: type, shape: shape) -> (output: dtype)",
):
    op(_text, shape=_declared_shape, role=Role.PLACEHOLDER, is_free=True).kernel(_raise_not_fed)


def _placeholder_with_default_shape(c: ShapeContext) -> Shape:
    """The attribute ``shape``: a feed may differ from the default, whose value and shape therefore say nothing."""
    shape = _placeholder_shape(c)
    c.input(0).merge(shape)
    return shape


placeholder_with_default = op(
    "PlaceholderWithDefault(input: dtype; dtype: type, shape: shape) -> (output: dtype)",
    shape=_placeholder_with_default_shape,
    role=Role.PLACEHOLDER_WITH_DEFAULT,
    is_free=True,
)


def _input_facts(c: ShapeContext) -> Sequence[Fact]:
    """The facts of the inputs, with references dereferenced."""
    return [fact._replace(dtype=dtype) for fact, dtype in zip(c.facts, c.bound.output_types)]


identity = op(
    "Identity(input: T; T: type) -> (output: T)",
    shape=_input_facts,
    role=Role.IDENTITY,
    is_free=True,
    sparse_gradient=True,
)
stop_gradient = op(
    "StopGradient(input: T; T: type) -> (output: T)",
    shape=_input_facts,
    differentiable=False,
    is_free=True,
    sparse_gradient=True,
)
prevent_gradient = op(
    'PreventGradient(input: T; T: type, message: string = "") -> (output: T)',
    shape=_input_facts,
    is_free=True,
)
snapshot = op("Snapshot(input: T; T: type) -> (output: T)", shape=_input_facts)
identity_n = op(
    "IdentityN(input: *T; T: list(type) >= 1) -> (output: *T)",
    shape=_input_facts,
    is_free=True,
    sparse_gradient=True,
)


def _return_inputs(*values: Any) -> list[Any]:
    return list(values)


def _bind_to_input(b: Binding) -> Any:
    return PASS_ON


for _op in (identity, stop_gradient, prevent_gradient, placeholder_with_default, snapshot):
    _op.bind(_bind_to_input)


@identity_n.bind
def _(b: Binding) -> Any:
    return _return_inputs


@identity.gradient
@placeholder_with_default.gradient
def _(g: GraphBuilder, node: NodeView, dy: Any) -> Any:
    return dy


@identity_n.gradient
def _(g: GraphBuilder, node: NodeView, *dys: Any) -> Any:
    """Replaces the gradient of an output that nothing depends on by zeros."""
    return [
        g.zeros_like(x) if dy is None and x.dtype.is_differentiable else dy for x, dy in zip(node.inputs, dys)
    ]


@prevent_gradient.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Any:
    raise invalid(f"the gradient of {node.name!r} is explicitly disabled. Reason: {node.attr('message')}")


def _no_operation(xp: Any) -> list[Any]:
    return []


op("NoOp()", shape=shapes.no_outputs, is_free=True).kernel(_no_operation)
op("ControlTrigger()", shape=shapes.no_outputs, role=Role.CONTROL_TRIGGER, is_free=True).kernel(_no_operation)


def _like_input(c: ShapeContext) -> Fact:
    """The shape of the input, and for tensor lists the dtype and shape of their elements."""
    return Fact(c.bound.output_types[0], c.input(0), handle=c.handle())


zeros_like = op(
    "ZerosLike(x: T; T: type) -> (y: T)", shape=_like_input, allocates_output=True, differentiable=False
)


@zeros_like.kernel
def _(xp: Any, x: Any) -> Any:
    if x.dtype == object:
        from ...numeric.list_elements import zeros_like

        return zeros_like(x)
    return xp.zeros_like(x)
