"""TensorLists whose elements are concatenated, and tensors split into lists (list_ops.cc in TensorFlow).

Elements may differ in their first dimension. TensorListConcatLists joins two lists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, vector
from ...core.facts import Fact
from ...core.inference import attr_shape
from ...core.registry import Family, GpuSupport
from ...numeric import int_arguments, list_elements
from .tensor_list_array_ops import after_first, row_shape, with_first
from .tensor_list_ops import element_shape, list_fact, list_shape, stated_shape
from .tensor_lists import TensorList, as_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


def _concatenated(c: ShapeContext, stated: Shape) -> list[Shape]:
    shape = element_shape(c, c.attr("element_dtype")).merge(stated)
    if shape.rank == 0:
        raise invalid("scalars cannot be concatenated")
    return [with_first(None, after_first(shape)), vector(None)]


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


def _concatenate(xp: Any, handle: Any, shape: Shape, leading: Sequence[int], dtype: DType) -> tuple[Any, Any]:
    tensor_list = as_list(handle, dtype)
    shape = shape.merge(tensor_list.element_shape)
    items, rest = tensor_list.items(), after_first(shape)
    if shape.rank == 0 or any(item is not None and not item.shape for item in items):
        raise invalid("scalars cannot be concatenated")
    first = shape.dims[0] if shape.dims else None
    for item in items:
        if item is not None:
            if not list_elements.is_compatible(with_first(first, rest), item):
                raise invalid(
                    f"an element of shape {Shape(item.shape)} cannot be concatenated with elements of shape "
                    f"{with_first(first, rest)}"
                )
            rest = Shape(item.shape[1:])
    lengths = _lengths(items, shape, leading)
    if not rest.is_fully_known:
        raise invalid(
            f"elements of shape {shape} cannot be concatenated: dimensions after the first must be known"
        )
    dims = rest.known()
    parts = [
        list_elements.zeros(xp, (n, *dims), dtype) if item is None else item
        for item, n in zip(items, lengths)
    ]
    joined = xp.concatenate(parts) if parts else list_elements.zeros(xp, (0, *dims), dtype)
    return joined, np.array(lengths, np.int64)


def _lengths(items: Sequence[Any], shape: Shape, leading: Sequence[int]) -> list[int]:
    """Returns the first dimension of every element. For one that was never written it comes from ``leading``, the
    list's shape or the other elements. Raises INVALID_ARGUMENT if it is unknown or negative."""
    lengths: list[int] = []
    common = (
        list_elements.merge_shapes(items, shape) if not leading and any(x is None for x in items) else shape
    )
    for position, item in enumerate(items):
        if item is not None:
            lengths.append(item.shape[0])
        elif position < len(leading):
            lengths.append(leading[position])
        elif common.dims and common.dims[0] is not None:
            lengths.append(common.dims[0])
        else:
            raise invalid(f"element {position} was never written, and its first dimension is not known")
        if lengths[-1] < 0:
            raise invalid(
                f"the first dimension of element {position} is {lengths[-1]}, but must not be negative"
            )
    return lengths


@concat.kernel
def _(xp: Any, input_handle: Any, *, element_dtype: DType, element_shape: Shape) -> tuple[Any, Any]:
    return _concatenate(xp, input_handle, element_shape, (), element_dtype)


@concat_v2.kernel
def _(
    xp: Any, input_handle: Any, element_shape: Any, leading_dims: Any, *, element_dtype: DType
) -> tuple[Any, Any]:
    shape = int_arguments.partial_shape(element_shape)
    return _concatenate(xp, input_handle, shape, leading_dims.reshape(-1).tolist(), element_dtype)


@concat.gradient
@concat_v2.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor, dlengths: None) -> Any:
    tensor_list, *others = node.inputs
    dlist = g.TensorListSplit(dy, list_shape(g, tensor_list), node.outputs[1])
    return dlist, *(None for _ in others)


def _split_list(c: ShapeContext) -> Fact:
    c.with_rank("lengths", 1)
    shape = stated_shape(c, "element_shape")
    rows = with_first(None, after_first(c.with_rank_at_least("tensor", 1)))
    if shape.dims is not None and rows.dims is not None:
        after_first(shape).merge(after_first(rows))
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
    if shape.rank == 0 or not after_first(shape).is_compatible(rest):
        raise invalid(f"rows of shape {rest} do not fit a list of elements of shape {shape}")
    if any(n < 0 for n in counts) or sum(counts) != tensor.shape[0]:
        raise invalid(f"lengths {counts} do not add up to the tensor's {tensor.shape[0]} rows")
    ends = np.cumsum(counts, dtype=np.int64).tolist()
    return TensorList(element_dtype, shape, [tensor[end - n : end] for n, end in zip(counts, ends)])


@split.gradient
def _(g: GraphBuilder, node: NodeView, dlist: Tensor) -> Any:
    tensor, _, lengths = node.inputs
    shape = g.ConcatV2([g.constant([-1]), row_shape(g, tensor)], g.constant(0))
    dtype = node.attr("element_dtype")
    return g.TensorListConcatV2(dlist, shape, lengths, element_dtype=dtype)[0], None, None


# Lists joined.


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
    result = np.empty(input_a.shape, object)
    for position in np.ndindex(*input_a.shape):
        result[position] = _joined(input_a[position], input_b[position], element_dtype)
    return result
