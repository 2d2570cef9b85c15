"""Optional values: variants that hold tensors or nothing (optional_ops.cc in TensorFlow).

TensorFlow's gradients of conditionals use them to pass intermediate values of the branch that was taken to its
gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


class Optional(NamedTuple):
    """The components of an optional value; None if it has no value."""

    components: tuple[Any, ...] | None


def optional_variant(components: tuple[Any, ...] | None) -> Any:
    """Returns an optional value as a variant tensor of rank 0."""
    array = np.empty((), object)
    array[()] = Optional(components)
    return array


def _optional(value: Any) -> Optional:
    """The optional value of a variant tensor. Raises INVALID_ARGUMENT if it holds something else."""
    element = value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value
    if not isinstance(element, Optional):
        raise invalid("the variant is not an optional value")
    return element


none = op("OptionalNone() -> (optional: variant)", shape=shapes.scalar)


@none.kernel
def _(xp: Any) -> Any:
    return optional_variant(None)


from_value = op(
    "OptionalFromValue(components: *Toutput_types; Toutput_types: list(type) >= 1) -> (optional: variant)",
    shape=shapes.scalar,
)


@from_value.kernel
def _(xp: Any, components: Sequence[Any]) -> Any:
    return optional_variant(tuple(components))


has_value = op("OptionalHasValue(optional: variant) -> (has_value: bool)", shape=shapes.scalar)


@has_value.kernel
def _(xp: Any, optional: Any) -> Any:
    return np.bool_(_optional(optional).components is not None)


def _stated_shapes(c: ShapeContext) -> Sequence[Shape]:
    types, stated = c.bound.output_types, c.attr("output_shapes")
    if len(stated) != len(types):
        raise invalid(f"output_types has {len(types)} entries, but output_shapes has {len(stated)}")
    return stated


get_value = op(
    "OptionalGetValue(optional: variant; output_types: list(type) >= 1, output_shapes: list(shape) >= 1) "
    "-> (components: *output_types)",
    shape=_stated_shapes,
)


@get_value.kernel
def _(xp: Any, optional: Any, *, output_types: Sequence[DType], output_shapes: Sequence[Shape]) -> Any:
    components = _optional(optional).components
    if components is None:
        raise invalid("the optional has no value")
    if len(components) != len(output_types):
        raise invalid(f"the optional has {len(components)} components, not {len(output_types)}")
    for component, dtype, shape in zip(components, output_types, output_shapes):
        if not dtype.is_opaque and component.dtype != dtype.numpy:
            raise invalid(f"the optional has a component of {component.dtype}, not of {dtype}")
        if hasattr(component, "shape") and not shape.is_compatible(Shape(tuple(component.shape))):
            raise invalid(
                f"the optional has a component of shape {Shape(tuple(component.shape))}, not {shape}"
            )
    return list(components)


@from_value.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Any:
    inputs = node.inputs
    return g.OptionalGetValue(
        dy, output_types=[t.dtype for t in inputs], output_shapes=[t.shape for t in inputs]
    )


@get_value.gradient
def _(g: GraphBuilder, node: NodeView, *dys: Tensor | None) -> Any:
    components = [g.zeros_like(y) if dy is None else dy for y, dy in zip(node.outputs, dys)]
    return g.OptionalFromValue(components)
