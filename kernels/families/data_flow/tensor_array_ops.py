"""TensorArray, TensorArrayV2 and TensorArrayV3 (tensor_array_ops.cc in TensorFlow).

The versions differ only in the type of a handle: a string reference, a string or a resource. The value of a handle
is the array itself in all of them. The *flow* is a float without meaning that orders writes before reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport, StateAccess
from ...numeric import int_arguments, list_elements
from . import tensor_array_gradients as gradients
from . import tensor_array_shapes as array_shapes
from .tensor_arrays import TensorArray

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ....graphfmt.dtypes import DType
    from ...core.binding import Binding

family = Family(__name__, gpu=GpuSupport.NONE, state=StateAccess.PER_STEP, host_inputs="size")
op = family.op


def _array(handle: Any) -> TensorArray:
    if type(handle) is not TensorArray:
        raise invalid(f"the handle must be of a TensorArray, but is of a {type(handle).__name__}")
    return handle


def _typed_array(handle: Any, dtype: DType) -> TensorArray:
    array = _array(handle)
    if array.dtype is not dtype:
        raise invalid(f"TensorArray {array.name!r} has elements of {array.dtype}, not of {dtype}")
    return array


def _vector(value: Any, what: str) -> list[int]:
    if value.ndim != 1:
        raise invalid(f"{what} must be a vector, but has shape {Shape(tuple(value.shape))}")
    return value.tolist()


def _index(index: Any) -> int:
    if index.ndim:
        raise invalid(f"the index must be a scalar, but has shape {Shape(tuple(index.shape))}")
    return int(index)


# Kernels.


def _bind_creation(b: Binding) -> Callable[..., Any]:
    attrs, has_flow = b.attrs, len(b.output_types) == 2

    def create(size: Any) -> Any:
        if size.ndim:
            raise invalid(f"TensorArray: size must be a scalar, but has shape {Shape(size.shape)}")
        if size < 0:
            raise invalid(f"TensorArray: size is {size}, but must not be negative")
        array = TensorArray(
            attrs["tensor_array_name"] or b.node.name,
            attrs["dtype"],
            int(size),
            attrs["element_shape"],
            dynamic_size=attrs["dynamic_size"],
            clear_after_read=attrs["clear_after_read"],
            identical_shapes=attrs.get("identical_element_shapes", False),
        )
        return (array, np.float32(0)) if has_flow else array

    return create


def _write(xp: Any, handle: Any, index: Any, value: Any, flow_in: Any, *, T: DType) -> Any:
    _typed_array(handle, T).write(_index(index), value)
    return flow_in


def _read(xp: Any, handle: Any, index: Any, flow_in: Any, *, dtype: DType) -> Any:
    return _typed_array(handle, dtype).take(xp, _index(index))


def _stack_elements(xp: Any, array: TensorArray, indices: Sequence[int], shape: Shape) -> Any:
    items = array.take_all(xp, indices, shape)
    common = list_elements.merge_shapes(items, array.element_shape)
    if not common.is_fully_known:
        raise array.unknown_shape_error()
    return list_elements.stack(xp, items, common.known(), array.dtype)


def _gather(xp: Any, handle: Any, indices: Any, flow_in: Any, *, dtype: DType, element_shape: Shape) -> Any:
    return _stack_elements(xp, _typed_array(handle, dtype), _vector(indices, "indices"), element_shape)


def _pack(xp: Any, handle: Any, flow_in: Any, *, dtype: DType, element_shape: Shape) -> Any:
    array = _typed_array(handle, dtype)
    return _stack_elements(xp, array, range(array.size()), element_shape)


def _scatter(xp: Any, handle: Any, indices: Any, value: Any, flow_in: Any, *, T: DType) -> Any:
    array, positions = _typed_array(handle, T), _vector(indices, "indices")
    array.write_all(positions, _rows(value, T, len(positions), "index"))
    return flow_in


def _rows(value: Any, dtype: DType, count: int, per: str) -> list[Any]:
    if value.ndim == 0:
        raise invalid("the value must have rank 1 or more, but is a scalar")
    if value.shape[0] != count:
        raise invalid(f"the value has {value.shape[0]} rows, but must have {count}, one per {per}")
    return list_elements.unstack(value, dtype)


def _unpack(xp: Any, handle: Any, value: Any, flow_in: Any, *, T: DType) -> Any:
    array = _typed_array(handle, T)
    count = value.shape[0] if array.dynamic_size and value.ndim else array.size()
    array.write_all(range(count), _rows(value, T, count, "element"))
    return flow_in


def _concat(
    xp: Any, handle: Any, flow_in: Any, *, dtype: DType, element_shape_except0: Shape
) -> tuple[Any, Any]:
    array, rest = _typed_array(handle, dtype), element_shape_except0
    items = array.take_all(xp, range(array.size()), UNKNOWN)
    if not items:
        if rest.dims is None and array.element_shape.dims:
            rest = Shape(array.element_shape.dims[1:])
        if not rest.is_fully_known:
            raise array.unknown_shape_error()
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
    array, counts = _typed_array(handle, T), _vector(lengths, "lengths")
    if value.ndim == 0:
        raise invalid("the value must have rank 1 or more, but is a scalar")
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


# Declarations.


def _declare(version: str, handle: str, *, stateful: bool) -> None:
    def declare(text: str, shape: Any, kernel: Any, gradient: Any = None, **options: Any) -> None:
        declared = op(text.format(v=version, h=handle), shape=shape, stateful=stateful, **options)
        declared.kernel(kernel)
        if gradient is not None:
            declared.gradient(gradient)

    declare(
        "TensorArrayWrite{v}(handle: {h}, index: int32, value: T, flow_in: float; T: type) "
        "-> (flow_out: float)",
        array_shapes.write_shape,
        _write,
        gradients.write_gradient,
    )
    declare(
        "TensorArrayRead{v}(handle: {h}, index: int32, flow_in: float; dtype: type) -> (value: dtype)",
        array_shapes.read_shape,
        _read,
        gradients.read_gradient,
    )
    declare(
        "TensorArrayGather{v}(handle: {h}, indices: int32, flow_in: float; dtype: type, "
        "element_shape: shape = ?) -> (value: dtype)",
        array_shapes.gather_shape,
        _gather,
        gradients.gather_gradient,
    )
    declare(
        "TensorArrayScatter{v}(handle: {h}, indices: int32, value: T, flow_in: float; T: type) "
        "-> (flow_out: float)",
        array_shapes.scatter_shape,
        _scatter,
        gradients.scatter_gradient,
    )
    declare(
        "TensorArrayConcat{v}(handle: {h}, flow_in: float; dtype: type, element_shape_except0: shape = ?) "
        "-> (value: dtype, lengths: int64)",
        array_shapes.concat_shape,
        _concat,
        gradients.concat_gradient,
    )
    declare(
        "TensorArraySplit{v}(handle: {h}, value: T, lengths: int64, flow_in: float; T: type) "
        "-> (flow_out: float)",
        array_shapes.split_shape,
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
    shape=array_shapes.pack_shape,
).kernel(_pack)
op(
    "TensorArrayUnpack(handle: Ref(string), value: T, flow_in: float; T: type) -> (flow_out: float)",
    shape=array_shapes.unpack_shape,
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
    op(_text, shape=array_shapes.created_shape, stateful=True, differentiable=False).bind(_bind_creation)

for _text in (
    "TensorArrayGrad(handle: string, flow_in: float; source: string) -> (grad_handle: Ref(string))",
    "TensorArrayGradV2(handle: string, flow_in: float; source: string) -> (grad_handle: string)",
):
    op(_text, shape=array_shapes.grad_shape, stateful=True, differentiable=False).kernel(_grad)

_grad_v3 = op(
    "TensorArrayGradV3(handle: resource, flow_in: float; source: string) "
    "-> (grad_handle: resource, flow_out: float)",
    shape=array_shapes.grad_shape,
    stateful=True,
    differentiable=False,
)


@_grad_v3.kernel
def _(xp: Any, handle: Any, flow_in: Any, *, source: str) -> tuple[TensorArray, Any]:
    return _array(handle).gradient(source), flow_in


_grad_with_shape = op(
    "TensorArrayGradWithShape(handle: resource, flow_in: float, shape_to_prepend: int32; source: string) "
    "-> (grad_handle: resource, flow_out: float)",
    shape=array_shapes.grad_with_shape,
    stateful=True,
    differentiable=False,
)


@_grad_with_shape.kernel
def _(xp: Any, handle: Any, flow_in: Any, shape_to_prepend: Any, *, source: str) -> tuple[TensorArray, Any]:
    front = int_arguments.partial_shape(shape_to_prepend)
    if not front.is_fully_known:
        raise invalid(f"the shape to prepend must be fully known, but is {front}")
    return _array(handle).gradient(source, front.known()), flow_in
