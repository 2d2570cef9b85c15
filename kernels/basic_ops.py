"""Operations that compute nothing: constants, placeholders, identities and no-ops."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graphfmt.errors import invalid
from ..graphfmt.shapes import Shape
from . import shapes
from .binding import Binding
from .facts import Fact, of_constant
from .inference import ShapeContext, attr_shape
from .registry import op


def _const_fact(c: ShapeContext) -> Fact:
    dtype = c.bound.output_types[0]
    value = c.attr("value")
    if value.dtype is not dtype:
        raise invalid(f"Const of dtype {dtype} has a value of dtype {value.dtype}")
    return of_constant(value.array(), dtype)


const = op("Const(; value: tensor, dtype: type) -> (output: dtype)", shape=_const_fact, differentiable=False)


@const.bind
def _(b: Binding) -> Any:
    array = b.attrs["value"].array()
    return lambda: array


def _placeholder_shape(c: ShapeContext) -> Shape:
    return attr_shape(c.attr("shape"))


placeholder = op("Placeholder(; dtype: type, shape: shape = ?) -> (output: dtype)", shape=_placeholder_shape)


@placeholder.kernel
def _(xp: Any, *, node_name: str, output_types: Any, shape: Shape) -> Any:
    raise invalid(
        f"You must feed a value for placeholder tensor {node_name!r} with dtype {output_types[0]} and shape {shape}",
        hint=f"add --feed {node_name}=VALUE",
    )


identity = op("Identity(input: T; T: type) -> (output: T)", shape=lambda c: c.facts[0])


@identity.bind
def _(b: Binding) -> Any:
    return lambda x: x


@identity.gradient
def _(g: Any, node: Any, dy: Any) -> Any:
    return dy


no_op = op("NoOp()", shape=shapes.no_outputs)


@no_op.kernel
def _(xp: Any) -> list[Any]:
    return []


zeros_like = op(
    "ZerosLike(x: T; T: type) -> (y: T)", shape=shapes.like_input, fresh=True, differentiable=False
)


@zeros_like.kernel
def _(xp: Any, x: Any) -> Any:
    if x.dtype == object:
        return np.full_like(x, b"")
    return xp.zeros_like(x)
