"""StridedSliceAssign, ResourceStridedSliceAssign and TensorStridedSliceUpdate: writing to strided slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from ...core.registry import Family
from ...core.types import INDEX
from ..state.state_ops import referenced_shape, typed_variable
from .slice_ops import MASKS, indexer, mask_attrs, strided_dims

if TYPE_CHECKING:
    from collections.abc import Callable

    from ....graphfmt.dtypes import DType
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.binding import Binding
    from ...core.inference import ShapeContext
    from ...numeric.slicing import Index
    from ..state.variables import Variable

family = Family(__name__, host_inputs="begin end strides")
op = family.op

_WHERE = "begin: Index, end: Index, strides: Index, value: T"
_ATTRS = f"T: type, Index: type in {INDEX}, {MASKS}"


def _write(array: Any, index: Index, value: Any) -> None:
    """Writes a value, which broadcasts, into a slice. Raises INVALID_ARGUMENT where it does not fit."""
    part = array[(*index, ...)]
    if not part.size:
        return
    try:
        part[...] = value
    except ValueError:
        raise invalid(
            f"a value of shape {Shape(value.shape)} does not fit into a slice of shape {Shape(part.shape)}"
        ) from None


def _write_variable(
    variable: Variable, index: Callable[..., Index], where: tuple[Any, ...], value: Any
) -> None:
    with variable.lock:
        array = variable.writable()
        _write(array, index(*where, array.shape), value)


def _check_slice(c: ShapeContext, dims: Shape) -> None:
    strided_dims(c, 1, dims)


def _reference_shape(c: ShapeContext) -> Shape:
    _check_slice(c, c.input(0))
    return c.input(0)


assign = op(
    f"StridedSliceAssign(ref: Ref(T), {_WHERE}; {_ATTRS}) -> (output_ref: Ref(T))", shape=_reference_shape
)


@assign.bind
def _(b: Binding) -> Callable[..., Any]:
    index = indexer(b, 1)

    def write(variable: Variable, begin: Any, end: Any, strides: Any, value: Any) -> Variable:
        _write_variable(variable, index, (begin, end, strides), value)
        return variable

    return write


def _resource_shape(c: ShapeContext) -> list[Shape]:
    _check_slice(c, referenced_shape(c, c.attr("T")))
    return []


resource_assign = op(
    f"ResourceStridedSliceAssign(ref: resource, {_WHERE}; {_ATTRS})", shape=_resource_shape, stateful=True
)


@resource_assign.bind
def _(b: Binding) -> Callable[..., Any]:
    index = indexer(b, 1)
    dtype: DType = b.attrs["T"]

    def write(handle: Any, begin: Any, end: Any, strides: Any, value: Any) -> list[Any]:
        _write_variable(typed_variable(handle, dtype), index, (begin, end, strides), value)
        return []

    return write


update = op(
    f"TensorStridedSliceUpdate(input: T, {_WHERE}; {_ATTRS}) -> (output: T)",
    shape=_reference_shape,
    allocates_output=True,
)


@update.bind
def _(b: Binding) -> Callable[..., Any]:
    xp, index = b.xp, indexer(b, 1)

    def write(x: Any, begin: Any, end: Any, strides: Any, value: Any) -> Any:
        copy = xp.array(x)
        _write(copy, index(begin, end, strides, copy.shape), value)
        return copy

    return write


@update.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None, None, None, Tensor]:
    _, *where, value = node.inputs
    masks = mask_attrs(node)
    part = g.StridedSlice(dy, *where, **masks)
    dx = g.TensorStridedSliceUpdate(dy, *where, g.zeros_like(part), **masks)
    if part.shape.is_fully_known and part.shape == value.shape:
        return dx, None, None, None, part
    _, axes = g.BroadcastGradientArgs(g.shape_of(part), g.shape_of(value))
    return dx, None, None, None, g.Reshape(g.Sum(part, axes), g.shape_of(value))
