"""From the Python values that authors of graphs write to arrays and attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt import dtypes
from ...graphfmt.attributes import AttrValue, Function
from ...graphfmt.dtypes import DType
from ...graphfmt.shapes import Shape
from ...graphfmt.tensors import Array, TensorValue, from_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphfmt.signatures import OpSignature
    from .tensor import Tensor


def as_array(value: Any, dtype: DType | None) -> Array:
    """Returns a value as an array of a dtype; of float, int32 or complex128 for Python's numbers if none is given."""
    if dtype is not None:
        if dtype is dtypes.string:
            return _strings(np.asarray(value, object))
        return (
            np.asarray(value).astype(dtype.numpy)
            if not isinstance(value, np.ndarray)
            else value.astype(dtype.numpy)
        )
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
    else:
        array = np.asarray(value)
        default = {"f": np.float32, "i": np.int32, "c": np.complex128}.get(array.dtype.kind)
        array = array.astype(default) if default is not None else array
    return _strings(array.astype(object)) if array.dtype.kind in "OSU" else array


def _strings(array: Array) -> Array:
    encoded = np.empty(array.shape, object)
    flat = encoded.reshape(-1)
    for position, item in enumerate(array.reshape(-1).tolist()):
        flat[position] = item.encode() if isinstance(item, str) else bytes(item)
    return encoded


def inferred_attrs(signature: OpSignature, groups: Sequence[Sequence[Tensor]]) -> dict[str, AttrValue]:
    """Returns the attributes that follow from the inputs, one group of tensors per argument: types and numbers."""
    attrs: dict[str, AttrValue] = {}
    for arg, group in zip(signature.inputs, groups):
        if arg.number_attr:
            attrs[arg.number_attr] = len(group)
        if arg.list_attr:
            attrs[arg.list_attr] = tuple(t.dtype for t in group)
        if arg.type_attr and group:
            attrs.setdefault(arg.type_attr, group[0].dtype)
    return attrs


def as_attr(signature: OpSignature, name: str, value: Any) -> AttrValue:
    """Returns the attribute for the Python value that an author writes for it."""
    spec = signature.attr_index.get(name)
    if spec is None:
        return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    if spec.kind.startswith("list("):
        return tuple(_as_scalar_attr(spec.kind[5:-1], item) for item in value)
    return _as_scalar_attr(spec.kind, value)


def _as_scalar_attr(kind: str, value: Any) -> Any:
    match kind:
        case "type":
            return dtypes.parse(value) if isinstance(value, str) else value
        case "string":
            return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
        case "shape":
            return value if isinstance(value, Shape) else Shape(None if value is None else tuple(value))
        case "int":
            return int(value)
        case "float":
            return float(np.float32(value))
        case "func":
            return Function(value) if isinstance(value, str) else value
        case "tensor":
            return value if isinstance(value, TensorValue) else from_array(np.asarray(value))
        case _:
            return value
