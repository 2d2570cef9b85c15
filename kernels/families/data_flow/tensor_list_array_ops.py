"""TensorLists and tensors: many elements put together, and a tensor taken apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Dim, Shape, vector
from ...core.facts import Fact
from ...core.inference import attr_shape
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


def _after_first(shape: Shape) -> Shape:
    return UNKNOWN if shape.dims is None else Shape(shape.dims[1:])


def _below(first: Dim, shape: Shape) -> Shape:
    return UNKNOWN if shape.dims is None else Shape((first, *shape.dims))


def _row_shape(g: GraphBuilder, tensor: Tensor) -> Tensor:
    """The shape of a tensor's rows as an argument."""
    rest = _after_first(tensor.shape)
    if rest.is_fully_known:
        return shape_or_unknown(g, rest)
    return g.Slice(g.Shape(tensor), g.constant([1]), g.constant([-1]))


# Elements of one shape.


def _together(xp: Any, items: Sequence[Any], shape: Shape, dtype: DType) -> Any:
    """Elements, some perhaps never written, as one tensor."""
    common = list_elements.merge_shapes(items, shape)
    if not common.is_fully_known:
        raise invalid(
            f"{len(items)} elements of which none was written cannot be put together: their shape, {common}, "
            "is not fully known"
        )
    dims = common.known()
    if any(x is None for x in items):
        zeros = list_elements.zeros(xp, dims, dtype)
        items = [zeros if x is None else x for x in items]
    return list_elements.stack(xp, items, dims, dtype)


def _stacked(c: ShapeContext) -> Shape:
    shape = element_shape(c, c.attr("element_dtype")).merge(stated_shape(c, "element_shape"))
    count = c.attr("num_elements")
    return _below(None if count == -1 else count, shape)


stack = op(
    "TensorListStack(input_handle: variant, element_shape: int32; element_dtype: type, "
    "num_elements: int = -1) -> (tensor: element_dtype)",
    shape=_stacked,
)


@stack.kernel
def _(xp: Any, input_handle: Any, element_shape: Any, *, element_dtype: DType, num_elements: int) -> Any:
    found = as_list(input_handle, element_dtype)
    if num_elements not in (-1, found.length):
        raise invalid(f"a list of {num_elements} elements is asked for, but it has {found.length}")
    shape = int_arguments.partial_shape(element_shape).merge(found.element_shape)
    return _together(xp, found.items(), shape, element_dtype)


@stack.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Any:
    return g.TensorListFromTensor(dy, shape_or_unknown(g, _after_first(dy.shape))), None


def _gathered(c: ShapeContext) -> Shape:
    shape = element_shape(c, c.attr("element_dtype")).merge(stated_shape(c, "element_shape"))
    return _below(c.input("indices").size, shape)


gather = op(
    "TensorListGather(input_handle: variant, indices: int32, element_shape: int32; element_dtype: type) "
    "-> (values: element_dtype)",
    shape=_gathered,
)


@gather.kernel
def _(xp: Any, input_handle: Any, indices: Any, element_shape: Any, *, element_dtype: DType) -> Any:
    found, places = as_list(input_handle, element_dtype), indices.reshape(-1).tolist()
    items = found.items()
    for place in places:
        if not 0 <= place < len(items):
            raise invalid(f"there is no element {place} in a list of {len(items)}")
    shape = int_arguments.partial_shape(element_shape).merge(found.element_shape)
    return _together(xp, [items[place] for place in places], shape, element_dtype)


@gather.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Any:
    found, indices, _ = node.inputs
    dtype = node.attr("element_dtype")
    zeros = g.TensorListReserve(list_shape(g, found), g.TensorListLength(found), element_dtype=dtype)
    return g.TensorListScatterIntoExistingList(zeros, dy, indices), None, None


def _list_of_rows(c: ShapeContext) -> Fact:
    rows, stated = _after_first(c.with_rank_at_least("tensor", 1)), stated_shape(c, "element_shape")
    return list_fact(c.attr("element_dtype"), UNKNOWN if stated.rank is None else stated.merge(rows))


from_tensor = op(
    "TensorListFromTensor(tensor: element_dtype, element_shape: shape_type; element_dtype: type, "
    "shape_type: type in {int32, int64}) -> (output_handle: variant)",
    shape=_list_of_rows,
)


def _rows(tensor: Any, shape: Shape, dtype: DType) -> list[Any]:
    """The rows of a tensor, which must be of this shape."""
    if tensor.ndim == 0:
        raise invalid("the tensor must be a vector at least, but is a scalar")
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
            _row_shape(g, tensor),
            element_dtype=node.attr("element_dtype"),
            num_elements=-1 if count is None else count,
        ),
        None,
    )


# Rows to places.


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
    """Puts rows at their places among the elements; of several at one place the last counts."""
    places = indices.reshape(-1).tolist()
    if len(places) != len(rows):
        raise invalid(f"there are {len(places)} indices for {len(rows)} rows")
    for place in places:
        if place < 0 or (place >= len(items) and not grow):
            raise invalid(f"index {place} is out of range for a list of {len(items)} elements")
    items.extend(list_elements.empty_slots(max(0, max(places, default=-1) + 1 - len(items))))
    for place, row in zip(places, rows):
        items[place] = row
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
        raise invalid(f"a list cannot have {count} elements")
    rows = _rows(tensor, shape, element_dtype)
    return TensorList(
        element_dtype, shape, _put(list_elements.empty_slots(max(count, 0)), indices, rows, grow=count < 0)
    )


@scatter.gradient
@scatter_v2.gradient
def _(g: GraphBuilder, node: NodeView, dlist: Tensor) -> Any:
    tensor, indices, *others = node.inputs
    dtype = node.attr("element_dtype")
    dtensor = g.TensorListGather(dlist, indices, _row_shape(g, tensor), element_dtype=dtype)
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
    found = as_list(input_handle, element_dtype)
    return found.with_items(_put(found.items(), indices, _rows(tensor, UNKNOWN, element_dtype)))


@scatter_into.gradient
def _(g: GraphBuilder, node: NodeView, dlist: Tensor) -> Any:
    _, tensor, indices = node.inputs
    dtype = node.attr("element_dtype")
    dtensor = g.TensorListGather(dlist, indices, _row_shape(g, tensor), element_dtype=dtype)
    return g.TensorListScatterIntoExistingList(dlist, g.zeros_like(tensor), indices), dtensor, None


# Elements that differ in their first dimension.


def _concatenated(c: ShapeContext, stated: Shape) -> list[Shape]:
    shape = element_shape(c, c.attr("element_dtype")).merge(stated)
    if shape.rank == 0:
        raise invalid("scalars cannot be concatenated")
    return [_below(None, _after_first(shape)), vector(None)]


concat = op(
    "TensorListConcat(input_handle: variant; element_dtype: type, element_shape: shape = ?) "
    "-> (tensor: element_dtype, lengths: int64)",
    shape=lambda c: _concatenated(c, attr_shape(c.attr("element_shape"))),
)
concat_v2 = op(
    "TensorListConcatV2(input_handle: variant, element_shape: shape_type, leading_dims: int64; "
    "element_dtype: type, shape_type: type in {int32, int64}) -> (tensor: element_dtype, lengths: int64)",
    shape=lambda c: _concatenated(c, stated_shape(c, "element_shape")),
)


def _concat(xp: Any, handle: Any, shape: Shape, leading: Sequence[int], dtype: DType) -> tuple[Any, Any]:
    found = as_list(handle, dtype)
    shape = shape.merge(found.element_shape)
    items, rest = found.items(), _after_first(shape)
    if shape.rank == 0 or any(item is not None and not item.shape for item in items):
        raise invalid("scalars cannot be concatenated")
    first = shape.dims[0] if shape.dims else None
    for item in items:
        if item is not None:
            if not list_elements.is_compatible(_below(first, rest), item):
                raise invalid(
                    f"an element of shape {Shape(item.shape)} is to be concatenated with elements of shape "
                    f"{_below(first, rest)}"
                )
            rest = Shape(item.shape[1:])
    lengths = _lengths(items, shape, leading)
    if not rest.is_fully_known:
        raise invalid(f"elements of shape {shape} cannot be concatenated: it is not known but for the first")
    dims = rest.known()
    parts = [
        list_elements.zeros(xp, (n, *dims), dtype) if item is None else item
        for item, n in zip(items, lengths)
    ]
    joined = xp.concatenate(parts) if parts else list_elements.zeros(xp, (0, *dims), dtype)
    return joined, np.array(lengths, np.int64)


def _lengths(items: Sequence[Any], shape: Shape, leading: Sequence[int]) -> list[int]:
    """The first dimension of every element; of those never written it must be stated somewhere."""
    lengths: list[int] = []
    common = (
        list_elements.merge_shapes(items, shape) if not leading and any(x is None for x in items) else shape
    )
    for place, item in enumerate(items):
        if item is not None:
            lengths.append(item.shape[0])
        elif place < len(leading):
            lengths.append(leading[place])
        elif common.dims and common.dims[0] is not None:
            lengths.append(common.dims[0])
        else:
            raise invalid(f"element {place} was never written, and its first dimension is not known")
        if lengths[-1] < 0:
            raise invalid(f"the first dimension of element {place} must not be {lengths[-1]}")
    return lengths


@concat.kernel
def _(xp: Any, input_handle: Any, *, element_dtype: DType, element_shape: Shape) -> tuple[Any, Any]:
    return _concat(xp, input_handle, element_shape, (), element_dtype)


@concat_v2.kernel
def _(
    xp: Any, input_handle: Any, element_shape: Any, leading_dims: Any, *, element_dtype: DType
) -> tuple[Any, Any]:
    shape = int_arguments.partial_shape(element_shape)
    return _concat(xp, input_handle, shape, leading_dims.reshape(-1).tolist(), element_dtype)


@concat.gradient
@concat_v2.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor, dlengths: None) -> Any:
    found, *others = node.inputs
    dlist = g.TensorListSplit(dy, list_shape(g, found), node.outputs[1])
    return dlist, *(None for _ in others)


def _split_list(c: ShapeContext) -> Fact:
    c.with_rank("lengths", 1)
    shape = stated_shape(c, "element_shape")
    rows = _below(None, _after_first(c.with_rank_at_least("tensor", 1)))
    if shape.dims is not None and rows.dims is not None:
        _after_first(shape).merge(_after_first(rows))
    return list_fact(c.attr("element_dtype"), shape)


split = op(
    "TensorListSplit(tensor: element_dtype, element_shape: shape_type, lengths: int64; "
    "element_dtype: type, shape_type: type in {int32, int64}) -> (output_handle: variant)",
    shape=_split_list,
)


@split.kernel
def _(xp: Any, tensor: Any, element_shape: Any, lengths: Any, *, element_dtype: DType) -> TensorList:
    shape = int_arguments.partial_shape(element_shape)
    if lengths.ndim != 1 or tensor.ndim == 0:
        raise invalid(
            f"a tensor of shape {Shape(tuple(tensor.shape))} cannot be split by lengths of shape "
            f"{Shape(tuple(lengths.shape))}"
        )
    counts = lengths.tolist()
    rest = Shape(tuple(tensor.shape[1:]))
    if shape.rank == 0 or not _after_first(shape).is_compatible(rest):
        raise invalid(f"rows of shape {rest} do not fit a list of elements of shape {shape}")
    if any(n < 0 for n in counts) or sum(counts) != tensor.shape[0]:
        raise invalid(f"lengths {counts} do not add up to the tensor's {tensor.shape[0]} rows")
    ends = np.cumsum(counts, dtype=np.int64).tolist()
    return TensorList(element_dtype, shape, [tensor[end - n : end] for n, end in zip(counts, ends)])


@split.gradient
def _(g: GraphBuilder, node: NodeView, dlist: Tensor) -> Any:
    tensor, _, lengths = node.inputs
    shape = g.ConcatV2([g.constant([-1]), _row_shape(g, tensor)], g.constant(0))
    dtype = node.attr("element_dtype")
    return g.TensorListConcatV2(dlist, shape, lengths, element_dtype=dtype)[0], None, None


# Lists and lists.


def _joined_list(c: ShapeContext) -> Fact:
    dtype = c.attr("element_dtype")
    shape = element_shape(c, dtype, 0).merge(element_shape(c, dtype, 1))
    return list_fact(dtype, shape)._replace(shape=c.input(0).merge(c.input(1)))


concat_lists = op(
    "TensorListConcatLists(input_a: variant, input_b: variant; element_dtype: type) -> (output: variant)",
    shape=_joined_list,
    differentiable=False,
)


def _joined(a: Any, b: Any, dtype: DType) -> TensorList:
    first, second = as_list(a, dtype), as_list(b, dtype)
    if first.element_shape != second.element_shape:
        raise invalid(
            f"lists of elements of shapes {first.element_shape} and {second.element_shape} cannot be joined"
        )
    return first.with_items(first.items() + second.items())


@concat_lists.kernel
def _(xp: Any, input_a: Any, input_b: Any, *, element_dtype: DType) -> Any:
    if input_a.shape != input_b.shape:
        raise invalid(
            f"lists of shapes {Shape(tuple(input_a.shape))} and {Shape(tuple(input_b.shape))} cannot be joined"
        )
    if not input_a.shape:
        return _joined(input_a, input_b, element_dtype)
    made = np.empty(input_a.shape, object)
    for place in np.ndindex(*input_a.shape):
        made[place] = _joined(input_a[place], input_b[place], element_dtype)
    return made
