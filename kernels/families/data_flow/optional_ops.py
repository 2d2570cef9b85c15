"""Optional values: a variant that holds tensors or nothing. TensorFlow's gradients of conditionals pass them
from the branch that was taken to its gradient."""

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
    """Tensors, or None for nothing."""

    components: tuple[Any, ...] | None


def _variant(value: Optional) -> Any:
    """A value as a variant tensor of rank 0."""
    array = np.empty((), object)
    array[()] = value
    return array


def _optional(value: Any) -> Optional:
    found = value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value
    if not isinstance(found, Optional):
        raise invalid("the variant is not an optional value")
    return found


none = op("OptionalNone() -> (optional: variant)", shape=shapes.scalar)


@none.kernel
def _(xp: Any) -> Any:
    return _variant(Optional(None))


from_value = op(
    "OptionalFromValue(components: *Toutput_types; Toutput_types: list(type) >= 1) -> (optional: variant)",
    shape=shapes.scalar,
)


@from_value.kernel
def _(xp: Any, components: Sequence[Any]) -> Any:
    return _variant(Optional(tuple(components)))


has_value = op("OptionalHasValue(optional: variant) -> (has_value: bool)", shape=shapes.scalar)


@has_value.kernel
def _(xp: Any, optional: Any) -> Any:
    return np.bool_(_optional(optional).components is not None)


def _stated(c: ShapeContext) -> Sequence[Shape]:
    types, stated = c.bound.output_types, c.attr("output_shapes")
    if len(stated) != len(types):
        raise invalid(f"output_types names {len(types)} tensors, but output_shapes {len(stated)}")
    return stated


get_value = op(
    "OptionalGetValue(optional: variant; output_types: list(type) >= 1, output_shapes: list(shape) >= 1) "
    "-> (components: *output_types)",
    shape=_stated,
)


@get_value.kernel
def _(xp: Any, optional: Any, *, output_types: Sequence[DType], output_shapes: Sequence[Shape]) -> Any:
    components = _optional(optional).components
    if components is None:
        raise invalid("the optional has no value")
    if len(components) != len(output_types):
        raise invalid(f"the optional holds {len(components)} tensors, not {len(output_types)}")
    for found, dtype, shape in zip(components, output_types, output_shapes):
        if not dtype.is_opaque and found.dtype != dtype.numpy:
            raise invalid(f"the optional holds a tensor of {found.dtype}, not of {dtype}")
        if hasattr(found, "shape") and not shape.is_compatible(Shape(tuple(found.shape))):
            raise invalid(f"the optional holds a tensor of shape {Shape(tuple(found.shape))}, not {shape}")
    return list(components)


@from_value.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Any:
    inputs = node.inputs
    return g.OptionalGetValue(
        dy, output_types=[t.dtype for t in inputs], output_shapes=[t.shape for t in inputs]
    )


@get_value.gradient
def _(g: GraphBuilder, node: NodeView, *dys: Tensor | None) -> Any:
    given = [g.zeros_like(y) if dy is None else dy for y, dy in zip(node.outputs, dys)]
    return g.OptionalFromValue(given)
