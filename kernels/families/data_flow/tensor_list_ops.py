"""TensorLists, one element at a time: making lists, pushing and popping, reading and setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import SCALAR, UNKNOWN, Shape
from ...core import shapes
from ...core.facts import Fact, Handle
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric import int_arguments, list_elements
from .tensor_lists import TensorList, as_list, check_fits, unwritten_element

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE, host_inputs="size")
op = family.op


# What is known of a list: its Fact's handle is the dtype and the shape of its elements.


def list_fact(dtype: DType, shape: Shape) -> Fact:
    """A list of elements of this shape. The rank is known only where the list itself knows it."""
    return Fact(dtypes.variant, SCALAR, handle=Handle(dtype, shape))


def element_shape(c: ShapeContext, dtype: DType, key: int | str = 0) -> Shape:
    """What is known of the shape of an input list's elements. Raises INVALID_ARGUMENT where they are known
    to be of another dtype."""
    handle = c.handle(key)
    if handle is None:
        return UNKNOWN
    if handle.dtype is not dtype:
        raise invalid(f"the list is of {handle.dtype}, but {dtype} is asked of it")
    return handle.shape


def stated_shape(c: ShapeContext, key: int | str) -> Shape:
    """The shape that an argument states; the scalar -1 is an unknown rank."""
    if c.input(key).rank == 0 and c.elements(key) is None:
        return UNKNOWN
    return c.as_shape(key)


def same_list(c: ShapeContext) -> Fact:
    """An output list of the same kind of elements as the input list."""
    return Fact(dtypes.variant, SCALAR, handle=c.handle())


# What gradients are made of.


def shape_or_unknown(g: GraphBuilder, shape: Shape) -> Tensor:
    """A static shape as an argument."""
    dims = -1 if shape.dims is None else [-1 if dim is None else dim for dim in shape.dims]
    return g.constant(np.array(dims, np.int32))


def list_shape(g: GraphBuilder, found: Tensor) -> Tensor:
    """The shape of a list's elements as an argument."""
    return g.TensorListElementShape(found, shape_type="int32")


# Making lists.


def _made_list(c: ShapeContext) -> Fact:
    return list_fact(c.attr("element_dtype"), stated_shape(c, "element_shape"))


empty = op(
    "EmptyTensorList(element_shape: shape_type, max_num_elements: int32; element_dtype: type, "
    "shape_type: type in {int32, int64}) -> (handle: variant)",
    shape=_made_list,
)


@empty.kernel
def _(xp: Any, element_shape: Any, max_num_elements: Any, *, element_dtype: DType) -> TensorList:
    limit = _scalar(max_num_elements, "max_num_elements")
    return TensorList(element_dtype, int_arguments.partial_shape(element_shape), limit=limit)


def _scalar(value: Any, what: str) -> int:
    if value.ndim:
        raise invalid(f"{what} must be a scalar, but has shape {Shape(tuple(value.shape))}")
    return int(value)


reserve = op(
    "TensorListReserve(element_shape: shape_type, num_elements: int32; element_dtype: type, "
    "shape_type: type in {int32, int64}) -> (handle: variant)",
    shape=_made_list,
)


@reserve.kernel
def _(xp: Any, element_shape: Any, num_elements: Any, *, element_dtype: DType) -> TensorList:
    count = _scalar(num_elements, "num_elements")
    if count < 0:
        raise invalid(f"a list cannot have {count} elements")
    made = TensorList(
        element_dtype, int_arguments.partial_shape(element_shape), list_elements.empty_slots(count)
    )
    made.places = ()
    return made


# What a list is.

length = op(
    "TensorListLength(input_handle: variant) -> (length: int32)", shape=shapes.scalar, differentiable=False
)


@length.kernel
def _(xp: Any, input_handle: Any) -> Any:
    return np.int32(as_list(input_handle).length)


def _rank_of_elements(c: ShapeContext) -> Shape:
    """A vector, or a scalar where the list says nothing of its elements' rank."""
    handle = c.handle()
    return UNKNOWN if handle is None or handle.shape.rank is None else Shape((handle.shape.rank,))


element_shape_op = op(
    "TensorListElementShape(input_handle: variant; shape_type: type in {int32, int64}) "
    "-> (element_shape: shape_type)",
    shape=_rank_of_elements,
    differentiable=False,
)


@element_shape_op.kernel
def _(xp: Any, input_handle: Any, *, shape_type: DType) -> Any:
    dims = as_list(input_handle).element_shape.dims
    if dims is None:
        return shape_type.numpy.type(-1)
    return np.array([-1 if dim is None else dim for dim in dims], shape_type.numpy)


# A list that is made longer or shorter by so many elements is not copied.
_FEW = 8

resize = op(
    "TensorListResize(input_handle: variant, size: int32) -> (output_handle: variant)", shape=same_list
)


@resize.kernel
def _(xp: Any, input_handle: Any, size: Any) -> TensorList:
    found, wanted = as_list(input_handle), _scalar(size, "size")
    if wanted < 0:
        raise invalid(f"a list cannot have {wanted} elements")
    if abs(wanted - found.length) > _FEW:
        items = found.items()[:wanted]
        return found.with_items(items + list_elements.empty_slots(wanted - len(items)))
    while found.length < wanted:
        found = found.pushed(None)
    while found.length > wanted:
        found = found.popped()
    return found


@resize.gradient
def _(g: GraphBuilder, node: NodeView, dlist: Tensor) -> Any:
    return g.TensorListResize(dlist, g.TensorListLength(node.inputs[0])), None


# At the end.


def _pushed_list(c: ShapeContext) -> Fact:
    shape = element_shape(c, c.attr("element_dtype"))
    shape.merge(c.input("tensor"))
    return list_fact(c.attr("element_dtype"), shape)


push_back = op(
    "TensorListPushBack(input_handle: variant, tensor: element_dtype; element_dtype: type) "
    "-> (output_handle: variant)",
    shape=_pushed_list,
)


@push_back.kernel
def _(xp: Any, input_handle: Any, tensor: Any, *, element_dtype: DType) -> TensorList:
    found = as_list(input_handle, element_dtype)
    if 0 <= found.limit <= found.length:
        raise invalid(f"a list of at most {found.limit} elements is full")
    return found.pushed(check_fits(found, tensor))


@push_back.gradient
def _(g: GraphBuilder, node: NodeView, dlist: Tensor) -> Any:
    tensor = node.inputs[1]
    return g.TensorListPopBack(dlist, g.shape_of(tensor), element_dtype=node.attr("element_dtype"))


def _pushed_lists(c: ShapeContext) -> Fact:
    shape = element_shape(c, c.attr("element_dtype"))
    lists, tensor = c.with_rank("input_handles", 1), c.with_rank_at_least("tensor", 1)
    if tensor.dims is not None:
        lists = lists.merge(Shape(tensor.dims[:1]))
        shape.merge(Shape(tensor.dims[1:]))
    return Fact(dtypes.variant, lists, handle=Handle(c.attr("element_dtype"), shape))


push_back_batch = op(
    "TensorListPushBackBatch(input_handles: variant, tensor: element_dtype; element_dtype: type) "
    "-> (output_handles: variant)",
    shape=_pushed_lists,
    differentiable=False,
)


@push_back_batch.kernel
def _(xp: Any, input_handles: Any, tensor: Any, *, element_dtype: DType) -> Any:
    if tensor.ndim == 0 or input_handles.shape != tensor.shape[:1]:
        raise invalid(
            f"there must be one row per list, but lists of shape {Shape(tuple(input_handles.shape))} are to "
            f"take a tensor of shape {Shape(tuple(tensor.shape))}"
        )
    made = np.empty(input_handles.shape, object)
    for place, item in enumerate(list_elements.unstack(tensor, element_dtype)):
        found = as_list(input_handles[place], element_dtype)
        made[place] = found.pushed(check_fits(found, item))
    return made


def _popped(c: ShapeContext) -> list[Fact]:
    dtype = c.attr("element_dtype")
    shape = element_shape(c, dtype)
    return [list_fact(dtype, shape), Fact(dtype, shape.merge(stated_shape(c, "element_shape")))]


pop_back = op(
    "TensorListPopBack(input_handle: variant, element_shape: int32; element_dtype: type) "
    "-> (output_handle: variant, tensor: element_dtype)",
    shape=_popped,
)


@pop_back.kernel
def _(xp: Any, input_handle: Any, element_shape: Any, *, element_dtype: DType) -> tuple[TensorList, Any]:
    found = as_list(input_handle, element_dtype)
    if not found.length:
        raise invalid("an empty list has no last element")
    item = found.get(found.length - 1)
    if item is None:
        item = unwritten_element(xp, found, int_arguments.partial_shape(element_shape))
    return found.popped(), item


@pop_back.gradient
def _(g: GraphBuilder, node: NodeView, dlist: Any, delement: Any) -> Any:
    rest, element = node.outputs
    if dlist is None:
        dlist = g.zeros_like(rest)
    if delement is None:
        delement = g.zeros_like(element)
    return g.TensorListPushBack(dlist, delement), None


# Anywhere.


def _item(c: ShapeContext) -> Fact:
    dtype = c.attr("element_dtype")
    return Fact(dtype, element_shape(c, dtype).merge(stated_shape(c, "element_shape")))


get_item = op(
    "TensorListGetItem(input_handle: variant, index: int32, element_shape: Tshape; element_dtype: type, "
    "Tshape: type in {int32, int64} = int32) -> (item: element_dtype)",
    shape=_item,
)


@get_item.kernel
def _(xp: Any, input_handle: Any, index: Any, element_shape: Any, *, element_dtype: DType) -> Any:
    found, place = as_list(input_handle, element_dtype), int_arguments.int_scalar(index, "the index")
    if not 0 <= place < found.length:
        raise invalid(f"there is no element {place} in a list of {found.length}")
    item = found.get(place)
    if item is None:
        return unwritten_element(xp, found, int_arguments.partial_shape(element_shape), infer=True)
    return item


@get_item.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Any:
    found, index, _ = node.inputs
    dtype = node.attr("element_dtype")
    zeros = g.TensorListReserve(list_shape(g, found), g.TensorListLength(found), element_dtype=dtype)
    return g.TensorListSetItem(zeros, index, dy), None, None


def _set_list(c: ShapeContext) -> Fact:
    dtype = c.attr("element_dtype")
    shape = element_shape(c, dtype)
    shape.merge(c.input("item"))
    return list_fact(dtype, shape)


set_item = op(
    "TensorListSetItem(input_handle: variant, index: int32, item: element_dtype; element_dtype: type, "
    "resize_if_index_out_of_bounds: bool = false) -> (output_handle: variant)",
    shape=_set_list,
)


@set_item.kernel
def _(
    xp: Any,
    input_handle: Any,
    index: Any,
    item: Any,
    *,
    element_dtype: DType,
    resize_if_index_out_of_bounds: bool,
) -> TensorList:
    found, place = as_list(input_handle, element_dtype), int_arguments.int_scalar(index, "the index")
    check_fits(found, item)
    if 0 <= place < found.length:
        return found.replaced(place, item)
    if place < 0 or not resize_if_index_out_of_bounds:
        raise invalid(f"there is no element {place} in a list of {found.length}")
    if place > found.length:
        found = found.with_items(found.items() + list_elements.empty_slots(place - found.length))
    return found.pushed(item)


@set_item.gradient
def _(g: GraphBuilder, node: NodeView, dlist: Tensor) -> Any:
    found, index, item = node.inputs
    dtype = node.attr("element_dtype")
    rest = g.TensorListSetItem(dlist, index, g.zeros_like(item))
    ditem = g.TensorListGetItem(dlist, index, g.shape_of(item), element_dtype=dtype)
    if node.attr("resize_if_index_out_of_bounds"):
        rest = g.TensorListResize(rest, g.TensorListLength(found))
    return rest, None, ditem
