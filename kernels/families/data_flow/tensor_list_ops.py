"""TensorList operations on single elements (list_ops.cc in TensorFlow): creation, push and pop, get and set."""

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


# Facts of lists: the handle of a Fact has the dtype and the shape of the elements.


def list_fact(dtype: DType, shape: Shape) -> Fact:
    """The fact of a list with elements of this dtype and shape."""
    return Fact(dtypes.variant, SCALAR, handle=Handle(dtype, shape))


def element_shape(c: ShapeContext, dtype: DType, key: int | str = 0) -> Shape:
    """The inferred shape of an input list's elements. Raises INVALID_ARGUMENT if they are known to have another
    dtype."""
    handle = c.handle(key)
    if handle is None:
        return UNKNOWN
    if handle.dtype is not dtype:
        raise invalid(f"the list has elements of {handle.dtype}, not of {dtype}")
    return handle.shape


def stated_shape(c: ShapeContext, key: int | str) -> Shape:
    """The shape stated by an argument; the scalar -1 means an unknown rank."""
    if c.input(key).rank == 0 and c.elements(key) is None:
        return UNKNOWN
    return c.as_shape(key)


def same_list(c: ShapeContext) -> Fact:
    """The fact of an output list with elements of the same dtype and shape as the input list."""
    return Fact(dtypes.variant, SCALAR, handle=c.handle())


# Helpers of gradients.


def shape_or_unknown(g: GraphBuilder, shape: Shape) -> Tensor:
    """Returns a static shape as an int32 constant, with -1 for unknown dimensions; -1 alone for an unknown rank."""
    dims = -1 if shape.dims is None else [-1 if dim is None else dim for dim in shape.dims]
    return g.constant(np.array(dims, np.int32))


def list_shape(g: GraphBuilder, tensor_list: Tensor) -> Tensor:
    """Returns the element shape of a list as a tensor."""
    return g.TensorListElementShape(tensor_list, shape_type="int32")


# Creation.


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
        raise invalid(f"the number of elements is {count}, but must not be negative")
    result = TensorList(
        element_dtype, int_arguments.partial_shape(element_shape), list_elements.empty_slots(count)
    )
    result.written = ()
    return result


# Length, element shape, resizing.

length = op(
    "TensorListLength(input_handle: variant) -> (length: int32)", shape=shapes.scalar, differentiable=False
)


@length.kernel
def _(xp: Any, input_handle: Any) -> Any:
    return np.int32(as_list(input_handle).length)


def _rank_of_elements(c: ShapeContext) -> Shape:
    """A vector of the rank of the elements; unknown if the rank is (the kernel returns the scalar -1 then)."""
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
    # As in TensorFlow, sizes above 32 bits wrap around.
    return np.array([-1 if dim is None else dim for dim in dims], np.int64).astype(shape_type.numpy)


# A resize by at most this many elements pushes or pops, which copies nothing.
_MAX_PUSHES = 8

resize = op(
    "TensorListResize(input_handle: variant, size: int32) -> (output_handle: variant)", shape=same_list
)


@resize.kernel
def _(xp: Any, input_handle: Any, size: Any) -> TensorList:
    tensor_list, wanted = as_list(input_handle), _scalar(size, "size")
    if wanted < 0:
        raise invalid(f"the number of elements is {wanted}, but must not be negative")
    if abs(wanted - tensor_list.length) > _MAX_PUSHES:
        items = tensor_list.items()[:wanted]
        return tensor_list.with_items(items + list_elements.empty_slots(wanted - len(items)))
    while tensor_list.length < wanted:
        tensor_list = tensor_list.pushed(None)
    while tensor_list.length > wanted:
        tensor_list = tensor_list.popped()
    return tensor_list


@resize.gradient
def _(g: GraphBuilder, node: NodeView, dlist: Tensor) -> Any:
    return g.TensorListResize(dlist, g.TensorListLength(node.inputs[0])), None


# Push and pop.


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
    tensor_list = as_list(input_handle, element_dtype)
    if 0 <= tensor_list.limit <= tensor_list.length:
        raise invalid(f"the list is full: max_num_elements is {tensor_list.limit}")
    return tensor_list.pushed(check_fits(tensor_list, tensor))


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
            f"the tensor must have one row per list, but has shape {Shape(tuple(tensor.shape))} for lists of "
            f"shape {Shape(tuple(input_handles.shape))}"
        )
    result = np.empty(input_handles.shape, object)
    for position, item in enumerate(list_elements.unstack(tensor, element_dtype)):
        tensor_list = as_list(input_handles[position], element_dtype)
        result[position] = tensor_list.pushed(check_fits(tensor_list, item))
    return result


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
    tensor_list = as_list(input_handle, element_dtype)
    if not tensor_list.length:
        raise invalid("the list is empty")
    item = tensor_list.get(tensor_list.length - 1)
    if item is None:
        item = unwritten_element(xp, tensor_list, int_arguments.partial_shape(element_shape))
    return tensor_list.popped(), item


@pop_back.gradient
def _(g: GraphBuilder, node: NodeView, dlist: Any, delement: Any) -> Any:
    rest, element = node.outputs
    if dlist is None:
        dlist = g.zeros_like(rest)
    if delement is None:
        delement = g.zeros_like(element)
    return g.TensorListPushBack(dlist, delement), None


# Get and set.


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
    tensor_list, position = as_list(input_handle, element_dtype), int_arguments.int_scalar(index, "the index")
    if not 0 <= position < tensor_list.length:
        raise invalid(f"the index is {position}, but the list has {tensor_list.length} elements")
    item = tensor_list.get(position)
    if item is None:
        return unwritten_element(xp, tensor_list, int_arguments.partial_shape(element_shape), infer=True)
    return item


@get_item.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Any:
    tensor_list, index, _ = node.inputs
    dtype = node.attr("element_dtype")
    zeros = g.TensorListReserve(
        list_shape(g, tensor_list), g.TensorListLength(tensor_list), element_dtype=dtype
    )
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
    tensor_list, position = as_list(input_handle, element_dtype), int_arguments.int_scalar(index, "the index")
    check_fits(tensor_list, item)
    if 0 <= position < tensor_list.length:
        return tensor_list.replaced(position, item)
    if position < 0 or not resize_if_index_out_of_bounds:
        raise invalid(f"the index is {position}, but the list has {tensor_list.length} elements")
    if position > tensor_list.length:
        tensor_list = tensor_list.with_items(
            tensor_list.items() + list_elements.empty_slots(position - tensor_list.length)
        )
    return tensor_list.pushed(item)


@set_item.gradient
def _(g: GraphBuilder, node: NodeView, dlist: Tensor) -> Any:
    tensor_list, index, item = node.inputs
    dtype = node.attr("element_dtype")
    rest = g.TensorListSetItem(dlist, index, g.zeros_like(item))
    ditem = g.TensorListGetItem(dlist, index, g.shape_of(item), element_dtype=dtype)
    if node.attr("resize_if_index_out_of_bounds"):
        rest = g.TensorListResize(rest, g.TensorListLength(tensor_list))
    return rest, None, ditem
