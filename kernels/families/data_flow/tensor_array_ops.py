"""TensorArray in its three versions: they differ in what a handle is called, and in nothing else here.

A handle is the array itself, be it called a resource, a string or a reference to one. The *flow* is a number
without meaning that orders writes before reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import SCALAR, UNKNOWN, Shape, vector
from ...core import shapes
from ...core.facts import Fact, Handle
from ...core.inference import ShapeContext, attr_shape
from ...core.registry import Family
from ...core.traits import GpuSupport, StateAccess
from ...numeric import int_arguments, list_elements
from . import tensor_array_gradients as gradients
from .tensor_arrays import TensorArray

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ....graphfmt.dtypes import DType
    from ...core.binding import Binding

family = Family(__name__, gpu=GpuSupport.NONE, state=StateAccess.PER_STEP, host_inputs="size")
op = family.op


def _array(handle: Any) -> TensorArray:
    if type(handle) is not TensorArray:
        raise invalid(f"a TensorArray is needed, but the handle is of a {type(handle).__name__}")
    return handle


def _typed(handle: Any, dtype: DType) -> TensorArray:
    found = _array(handle)
    if found.dtype is not dtype:
        raise invalid(f"TensorArray {found.name!r} is of {found.dtype}, not {dtype}")
    return found


def _vector(value: Any, what: str) -> list[int]:
    if value.ndim != 1:
        raise invalid(f"{what} must be a vector, but is of shape {Shape(tuple(value.shape))}")
    return value.tolist()


def _index(index: Any) -> int:
    if index.ndim:
        raise invalid(f"the index must be a scalar, but is of shape {Shape(tuple(index.shape))}")
    return int(index)


# Kernels.


def _bind_making(b: Binding) -> Callable[..., Any]:
    attrs, has_flow = b.attrs, len(b.output_types) == 2

    def make(size: Any) -> Any:
        if size.ndim:
            raise invalid(f"a TensorArray's size must be a scalar, but is of shape {Shape(size.shape)}")
        if size < 0:
            raise invalid(f"a TensorArray's size must not be negative, but is {size}")
        made = TensorArray(
            attrs["tensor_array_name"] or b.node.name,
            attrs["dtype"],
            int(size),
            attrs["element_shape"],
            dynamic_size=attrs["dynamic_size"],
            clear_after_read=attrs["clear_after_read"],
            identical_shapes=attrs.get("identical_element_shapes", False),
        )
        return (made, np.float32(0)) if has_flow else made

    return make


def _write(xp: Any, handle: Any, index: Any, value: Any, flow_in: Any, *, T: DType) -> Any:
    _typed(handle, T).write(_index(index), value)
    return flow_in


def _read(xp: Any, handle: Any, index: Any, flow_in: Any, *, dtype: DType) -> Any:
    return _typed(handle, dtype).take(xp, _index(index))


def _gathered(xp: Any, array: TensorArray, indices: Sequence[int], shape: Shape) -> Any:
    items = array.take_all(xp, indices, shape)
    common = list_elements.merge_shapes(items, array.element_shape)
    if not common.is_fully_known:
        raise array.no_shape()
    return list_elements.stack(xp, items, common.known(), array.dtype)


def _gather(xp: Any, handle: Any, indices: Any, flow_in: Any, *, dtype: DType, element_shape: Shape) -> Any:
    return _gathered(xp, _typed(handle, dtype), _vector(indices, "indices"), element_shape)


def _pack(xp: Any, handle: Any, flow_in: Any, *, dtype: DType, element_shape: Shape) -> Any:
    array = _typed(handle, dtype)
    return _gathered(xp, array, range(array.size()), element_shape)


def _scatter(xp: Any, handle: Any, indices: Any, value: Any, flow_in: Any, *, T: DType) -> Any:
    array, places = _typed(handle, T), _vector(indices, "indices")
    array.write_all(places, _rows(value, T, len(places), "index"))
    return flow_in


def _rows(value: Any, dtype: DType, count: int, per: str) -> list[Any]:
    if value.ndim == 0:
        raise invalid("the value must be a vector at least, but is a scalar")
    if value.shape[0] != count:
        raise invalid(f"the value has {value.shape[0]} rows, but there must be one per {per}, {count}")
    return list_elements.unstack(value, dtype)


def _unpack(xp: Any, handle: Any, value: Any, flow_in: Any, *, T: DType) -> Any:
    array = _typed(handle, T)
    count = value.shape[0] if array.dynamic_size and value.ndim else array.size()
    array.write_all(range(count), _rows(value, T, count, "element"))
    return flow_in


def _concat(
    xp: Any, handle: Any, flow_in: Any, *, dtype: DType, element_shape_except0: Shape
) -> tuple[Any, Any]:
    array, rest = _typed(handle, dtype), element_shape_except0
    items = array.take_all(xp, range(array.size()), UNKNOWN)
    if not items:
        if rest.dims is None and array.element_shape.dims:
            rest = Shape(array.element_shape.dims[1:])
        if not rest.is_fully_known:
            raise array.no_shape()
        return list_elements.zeros(xp, (0, *rest.known()), dtype), np.zeros(0, np.int64)
    for item in items:
        if not item.shape:
            raise invalid(f"TensorArray {array.name!r} holds a scalar, which cannot be concatenated")
        if not rest.is_compatible(Shape(tuple(item.shape[1:]))):
            raise invalid(
                f"TensorArray {array.name!r} holds an element of shape {Shape(tuple(item.shape))}, but all "
                f"must be of shape {rest} but for their first dimension"
            )
        rest = Shape(tuple(item.shape[1:]))
    return xp.concatenate(items), np.array([item.shape[0] for item in items], np.int64)


def _split(xp: Any, handle: Any, value: Any, lengths: Any, flow_in: Any, *, T: DType) -> Any:
    array, counts = _typed(handle, T), _vector(lengths, "lengths")
    if value.ndim == 0:
        raise invalid("the value must be a vector at least, but is a scalar")
    if any(count < 0 for count in counts) or sum(counts) != value.shape[0]:
        raise invalid(f"lengths {counts} do not add up to the value's {value.shape[0]} rows")
    size = array.size()
    if len(counts) != size and not (array.dynamic_size and len(counts) > size):
        raise invalid(f"TensorArray {array.name!r} has {size} elements, but there are {len(counts)} lengths")
    ends = np.cumsum(counts).tolist()
    array.write_all(range(len(counts)), [value[end - n : end] for n, end in zip(counts, ends)])
    return flow_in


def _size(xp: Any, handle: Any, flow_in: Any) -> Any:
    return np.int32(_array(handle).size())


def _close(xp: Any, handle: Any) -> Sequence[Any]:
    _array(handle).close()
    return []


def _grad(xp: Any, handle: Any, flow_in: Any, *, source: str) -> TensorArray:
    return _array(handle).gradient(source)


# Shapes.


def _handle_shape(c: ShapeContext) -> Shape:
    """What is known of the shape of elements from the array itself."""
    handle = c.handle()
    return UNKNOWN if handle is None else handle.shape


def _after_first(shape: Shape) -> Shape:
    return UNKNOWN if shape.dims is None else Shape(shape.dims[1:])


def _below(first: int | None, shape: Shape) -> Shape:
    return UNKNOWN if shape.dims is None else Shape((first, *shape.dims))


def _made_shape(c: ShapeContext) -> list[Fact]:
    c.with_rank("size", 0)
    handle = Handle(c.attr("dtype"), attr_shape(c.attr("element_shape")))
    kind = c.bound.output_types[0]
    made = Fact(kind, SCALAR if kind is dtypes.resource else Shape((2,)), handle=handle)
    return [made, Fact(dtypes.float32, SCALAR)][: len(c.bound.output_types)]


def _write_shape(c: ShapeContext) -> Shape:
    c.with_rank("index", 0)
    _handle_shape(c).merge(c.input("value"))
    return SCALAR


def _read_shape(c: ShapeContext) -> Shape:
    c.with_rank("index", 0)
    return _handle_shape(c)


def _gather_shape(c: ShapeContext) -> Shape:
    shape = attr_shape(c.attr("element_shape")).merge(_handle_shape(c))
    return _below(c.with_rank("indices", 1)[0], shape)


def _pack_shape(c: ShapeContext) -> Shape:
    return _below(None, attr_shape(c.attr("element_shape")).merge(_handle_shape(c)))


def _scatter_shape(c: ShapeContext) -> Shape:
    c.with_rank("indices", 1)
    _after_first(c.with_rank_at_least("value", 1)).merge(_handle_shape(c))
    return SCALAR


def _unpack_shape(c: ShapeContext) -> Shape:
    c.with_rank_at_least("value", 1)
    return SCALAR


def _concat_shape(c: ShapeContext) -> list[Shape]:
    rest = attr_shape(c.attr("element_shape_except0"))
    known = _handle_shape(c)
    if known.dims:
        rest = rest.merge(_after_first(known))
    return [_below(None, rest), vector(None)]


def _split_shape(c: ShapeContext) -> Shape:
    c.with_rank_at_least("value", 1)
    c.with_rank("lengths", 1)
    return SCALAR


def _grad_shape(c: ShapeContext) -> list[Fact]:
    return _grad_facts(c, c.handle())


def _grad_facts(c: ShapeContext, handle: Handle | None) -> list[Fact]:
    kind = c.bound.output_types[0]
    made = Fact(kind, SCALAR if kind is dtypes.resource else Shape((2,)), handle=handle)
    return [made, Fact(dtypes.float32, SCALAR)][: len(c.bound.output_types)]


def _grad_with_shape_shape(c: ShapeContext) -> list[Fact]:
    handle, front = c.handle(), c.as_shape("shape_to_prepend")
    if handle is None or front.dims is None or handle.shape.dims is None:
        return _grad_facts(c, handle and Handle(handle.dtype, UNKNOWN))
    return _grad_facts(c, Handle(handle.dtype, Shape(front.dims + handle.shape.dims)))


# Declarations.


def _declare(version: str, handle: str, *, stateful: bool) -> None:
    def declare(text: str, shape: Any, kernel: Any, gradient: Any = None, **options: Any) -> None:
        made = op(text.format(v=version, h=handle), shape=shape, stateful=stateful, **options)
        made.kernel(kernel)
        if gradient is not None:
            made.gradient(gradient)

    declare(
        "TensorArrayWrite{v}(handle: {h}, index: int32, value: T, flow_in: float; T: type) "
        "-> (flow_out: float)",
        _write_shape,
        _write,
        gradients.write_gradient,
    )
    declare(
        "TensorArrayRead{v}(handle: {h}, index: int32, flow_in: float; dtype: type) -> (value: dtype)",
        _read_shape,
        _read,
        gradients.read_gradient,
    )
    declare(
        "TensorArrayGather{v}(handle: {h}, indices: int32, flow_in: float; dtype: type, "
        "element_shape: shape = ?) -> (value: dtype)",
        _gather_shape,
        _gather,
        gradients.gather_gradient,
    )
    declare(
        "TensorArrayScatter{v}(handle: {h}, indices: int32, value: T, flow_in: float; T: type) "
        "-> (flow_out: float)",
        _scatter_shape,
        _scatter,
        gradients.scatter_gradient,
    )
    declare(
        "TensorArrayConcat{v}(handle: {h}, flow_in: float; dtype: type, element_shape_except0: shape = ?) "
        "-> (value: dtype, lengths: int64)",
        _concat_shape,
        _concat,
        gradients.concat_gradient,
    )
    declare(
        "TensorArraySplit{v}(handle: {h}, value: T, lengths: int64, flow_in: float; T: type) "
        "-> (flow_out: float)",
        _split_shape,
        _split,
        gradients.split_gradient,
    )
    declare(
        "TensorArraySize{v}(handle: {h}, flow_in: float) -> (size: int32)",
        shapes.scalar,
        _size,
        differentiable=False,
    )
    declare("TensorArrayClose{v}(handle: {h})", shapes.no_outputs, _close, differentiable=False)


_declare("", "Ref(string)", stateful=False)
_declare("V2", "string", stateful=False)
_declare("V3", "resource", stateful=True)

op(
    "TensorArrayPack(handle: Ref(string), flow_in: float; dtype: type, element_shape: shape = ?) "
    "-> (value: dtype)",
    shape=_pack_shape,
).kernel(_pack)
op(
    "TensorArrayUnpack(handle: Ref(string), value: T, flow_in: float; T: type) -> (flow_out: float)",
    shape=_unpack_shape,
).kernel(_unpack)

_ATTRS = (
    "dtype: type, element_shape: shape = ?, dynamic_size: bool = false, clear_after_read: bool = true, "
    '{}tensor_array_name: string = ""'
)
for _text in (
    "TensorArray(size: int32; dtype: type, dynamic_size: bool = false, clear_after_read: bool = true, "
    'tensor_array_name: string = "", element_shape: shape = ?) -> (handle: Ref(string))',
    f"TensorArrayV2(size: int32; {_ATTRS.format('')}) -> (handle: string)",
    f"TensorArrayV3(size: int32; {_ATTRS.format('identical_element_shapes: bool = false, ')}) "
    "-> (handle: resource, flow: float)",
):
    op(_text, shape=_made_shape, stateful=True, differentiable=False).bind(_bind_making)

for _text in (
    "TensorArrayGrad(handle: string, flow_in: float; source: string) -> (grad_handle: Ref(string))",
    "TensorArrayGradV2(handle: string, flow_in: float; source: string) -> (grad_handle: string)",
):
    op(_text, shape=_grad_shape, stateful=True, differentiable=False).kernel(_grad)

_grad_v3 = op(
    "TensorArrayGradV3(handle: resource, flow_in: float; source: string) "
    "-> (grad_handle: resource, flow_out: float)",
    shape=_grad_shape,
    stateful=True,
    differentiable=False,
)


@_grad_v3.kernel
def _(xp: Any, handle: Any, flow_in: Any, *, source: str) -> tuple[TensorArray, Any]:
    return _array(handle).gradient(source), flow_in


_grad_with_shape = op(
    "TensorArrayGradWithShape(handle: resource, flow_in: float, shape_to_prepend: int32; source: string) "
    "-> (grad_handle: resource, flow_out: float)",
    shape=_grad_with_shape_shape,
    stateful=True,
    differentiable=False,
)


@_grad_with_shape.kernel
def _(xp: Any, handle: Any, flow_in: Any, shape_to_prepend: Any, *, source: str) -> tuple[TensorArray, Any]:
    front = int_arguments.partial_shape(shape_to_prepend)
    if not front.is_fully_known:
        raise invalid(f"the shape to prepend must be fully known, but is {front}")
    return _array(handle).gradient(source, front.known()), flow_in
