"""TensorLists stacked into tensors and filled from the rows of tensors (list_ops.cc in TensorFlow): Stack, Gather,
FromTensor, Scatter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Dim, Shape
from ...core.facts import Fact
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric import int_arguments, list_elements
from .tensor_list_ops import element_shape, list_fact, list_shape, shape_or_unknown, stated_shape
from .tensor_lists import TensorList, as_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


def after_first(shape: Shape) -> Shape:
    """The shape without its first dimension."""
    return UNKNOWN if shape.dims is None else Shape(shape.dims[1:])


def with_first(first: Dim, shape: Shape) -> Shape:
    """The shape with one more dimension in front."""
    return UNKNOWN if shape.dims is None else Shape((first, *shape.dims))


def row_shape(g: GraphBuilder, tensor: Tensor) -> Tensor:
    """Returns the shape of a tensor's rows as a tensor, a constant if it is known."""
    rest = after_first(tensor.shape)
    if rest.is_fully_known:
        return shape_or_unknown(g, rest)
    return g.Slice(g.Shape(tensor), g.constant([1]), g.constant([-1]))


# From lists to tensors.


def _stack_items(xp: Any, items: Sequence[Any], shape: Shape, dtype: DType) -> Any:
    """Stacks elements to a tensor [len(items), *shape]; those that were never written are zeros.

    Raises INVALID_ARGUMENT if the elements' shape is not fully known.
    """
    common = list_elements.merge_shapes(items, shape)
    if not common.is_fully_known:
        raise invalid(
            f"{len(items)} elements cannot be stacked: none was written, and their shape, {common}, is not fully known"
        )
    dims = common.known()
    if any(x is None for x in items):
        zeros = list_elements.zeros(xp, dims, dtype)
        items = [zeros if x is None else x for x in items]
    return list_elements.stack(xp, items, dims, dtype)


def _stacked(c: ShapeContext) -> Shape:
    shape = element_shape(c, c.attr("element_dtype")).merge(stated_shape(c, "element_shape"))
    count = c.attr("num_elements")
    return with_first(None if count == -1 else count, shape)


stack = op(
    "TensorListStack(input_handle: variant, element_shape: int32; element_dtype: type, "
    "num_elements: int = -1) -> (tensor: element_dtype)",
    shape=_stacked,
)


@stack.kernel
def _(xp: Any, input_handle: Any, element_shape: Any, *, element_dtype: DType, num_elements: int) -> Any:
    tensor_list = as_list(input_handle, element_dtype)
    if num_elements not in (-1, tensor_list.length):
        raise invalid(f"num_elements is {num_elements}, but the list has {tensor_list.length} elements")
    shape = int_arguments.partial_shape(element_shape).merge(tensor_list.element_shape)
    return _stack_items(xp, tensor_list.items(), shape, element_dtype)


@stack.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Any:
    return g.TensorListFromTensor(dy, shape_or_unknown(g, after_first(dy.shape))), None


def _gathered(c: ShapeContext) -> Shape:
    shape = element_shape(c, c.attr("element_dtype")).merge(stated_shape(c, "element_shape"))
    return with_first(c.input("indices").size, shape)


gather = op(
    "TensorListGather(input_handle: variant, indices: int32, element_shape: int32; element_dtype: type) "
    "-> (values: element_dtype)",
    shape=_gathered,
)


@gather.kernel
def _(xp: Any, input_handle: Any, indices: Any, element_shape: Any, *, element_dtype: DType) -> Any:
    tensor_list, positions = as_list(input_handle, element_dtype), indices.reshape(-1).tolist()
    items = tensor_list.items()
    for position in positions:
        if not 0 <= position < len(items):
            raise invalid(f"the index is {position}, but the list has {len(items)} elements")
    shape = int_arguments.partial_shape(element_shape).merge(tensor_list.element_shape)
    return _stack_items(xp, [items[position] for position in positions], shape, element_dtype)


@gather.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Any:
    tensor_list, indices, _ = node.inputs
    dtype = node.attr("element_dtype")
    zeros = g.TensorListReserve(
        list_shape(g, tensor_list), g.TensorListLength(tensor_list), element_dtype=dtype
    )
    return g.TensorListScatterIntoExistingList(zeros, dy, indices), None, None


def _list_of_rows(c: ShapeContext) -> Fact:
    rows, stated = after_first(c.with_rank_at_least("tensor", 1)), stated_shape(c, "element_shape")
    return list_fact(c.attr("element_dtype"), UNKNOWN if stated.rank is None else stated.merge(rows))


from_tensor = op(
    "TensorListFromTensor(tensor: element_dtype, element_shape: shape_type; element_dtype: type, "
    "shape_type: type in {int32, int64}) -> (output_handle: variant)",
    shape=_list_of_rows,
)


def _rows(tensor: Any, shape: Shape, dtype: DType) -> list[Any]:
    """Returns the rows of a tensor of rank 1 or more. Raises INVALID_ARGUMENT if they do not have this shape."""
    if tensor.ndim == 0:
        raise invalid("the tensor must have rank 1 or more, but is a scalar")
    rest = Shape(tuple(tensor.shape[1:]))
    if not shape.is_compatible(rest):
        raise invalid(f"rows of shape {rest} do not fit a list of elements of shape {shape}")
    return list_elements.unstack(tensor, dtype)


@from_tensor.kernel
def _(xp: Any, tensor: Any, element_shape: Any, *, element_dtype: DType) -> TensorList:
    shape = int_arguments.partial_shape(element_shape)
    return TensorList(element_dtype, shape, _rows(tensor, shape, element_dtype))


@from_tensor.gradient
def _(g: GraphBuilder, node: NodeView, dlist: Tensor) -> Any:
    tensor = node.inputs[0]
    count = None if tensor.shape.dims is None else tensor.shape[0]
    return (
        g.TensorListStack(
            dlist,
            row_shape(g, tensor),
            element_dtype=node.attr("element_dtype"),
            num_elements=-1 if count is None else count,
        ),
        None,
    )


# From tensors to lists.


scatter = op(
    "TensorListScatter(tensor: element_dtype, indices: int32, element_shape: shape_type; "
    "element_dtype: type, shape_type: type in {int32, int64}) -> (output_handle: variant)",
    shape=_list_of_rows,
)
scatter_v2 = op(
    "TensorListScatterV2(tensor: element_dtype, indices: int32, element_shape: shape_type, "
    "num_elements: int32; element_dtype: type, shape_type: type in {int32, int64}) "
    "-> (output_handle: variant)",
    shape=_list_of_rows,
)


def _put(items: list[Any], indices: Any, rows: Sequence[Any], *, grow: bool = True) -> list[Any]:
    """Puts rows at their positions among the elements; of several at one position the last counts."""
    positions = indices.reshape(-1).tolist()
    if len(positions) != len(rows):
        raise invalid(f"there are {len(positions)} indices for {len(rows)} rows")
    for position in positions:
        if position < 0 or (position >= len(items) and not grow):
            raise invalid(f"index {position} is out of range for a list of {len(items)} elements")
    items.extend(list_elements.empty_slots(max(0, max(positions, default=-1) + 1 - len(items))))
    for position, row in zip(positions, rows):
        items[position] = row
    return items


@scatter.kernel
def _(xp: Any, tensor: Any, indices: Any, element_shape: Any, *, element_dtype: DType) -> TensorList:
    shape = int_arguments.partial_shape(element_shape)
    return TensorList(element_dtype, shape, _put([], indices, _rows(tensor, shape, element_dtype)))


@scatter_v2.kernel
def _(
    xp: Any, tensor: Any, indices: Any, element_shape: Any, num_elements: Any, *, element_dtype: DType
) -> TensorList:
    shape = int_arguments.partial_shape(element_shape)
    count = int_arguments.int_scalar(num_elements, "num_elements")
    if count < -1:
        raise invalid(f"the number of elements is {count}, but must not be negative")
    rows = _rows(tensor, shape, element_dtype)
    return TensorList(
        element_dtype, shape, _put(list_elements.empty_slots(max(count, 0)), indices, rows, grow=count < 0)
    )


@scatter.gradient
@scatter_v2.gradient
def _(g: GraphBuilder, node: NodeView, dlist: Tensor) -> Any:
    tensor, indices, *others = node.inputs
    dtype = node.attr("element_dtype")
    dtensor = g.TensorListGather(dlist, indices, row_shape(g, tensor), element_dtype=dtype)
    return dtensor, None, *(None for _ in others)


def _scattered_into(c: ShapeContext) -> Fact:
    dtype = c.attr("element_dtype")
    shape = element_shape(c, dtype)
    c.with_rank_at_least("tensor", 1)
    return list_fact(dtype, shape)


scatter_into = op(
    "TensorListScatterIntoExistingList(input_handle: variant, tensor: element_dtype, indices: int32; "
    "element_dtype: type) -> (output_handle: variant)",
    shape=_scattered_into,
)


@scatter_into.kernel
def _(xp: Any, input_handle: Any, tensor: Any, indices: Any, *, element_dtype: DType) -> TensorList:
    tensor_list = as_list(input_handle, element_dtype)
    return tensor_list.with_items(_put(tensor_list.items(), indices, _rows(tensor, UNKNOWN, element_dtype)))


@scatter_into.gradient
def _(g: GraphBuilder, node: NodeView, dlist: Tensor) -> Any:
    _, tensor, indices = node.inputs
    dtype = node.attr("element_dtype")
    dtensor = g.TensorListGather(dlist, indices, row_shape(g, tensor), element_dtype=dtype)
    return g.TensorListScatterIntoExistingList(dlist, g.zeros_like(tensor), indices), dtensor, None
