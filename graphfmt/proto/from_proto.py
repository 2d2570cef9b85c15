"""Converts protobuf messages to graphs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .. import dtypes
from ..attributes import AttrValue, Function, Placeholder
from ..graph import Argument, FunctionDef, Graph, Node, Versions
from ..shapes import SCALAR, Shape
from ..tensors import TensorValue
from . import builders, graph_pb2, tensor_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# Attribute values by their serialized messages.
Memo = dict[bytes, AttrValue]


def graph_of(message: graph_pb2.GraphDef) -> Graph:
    """Converts a GraphDef. Raises INVALID_ARGUMENT for values that no graph can represent."""
    memo: Memo = {}
    library = message.library
    return Graph(
        tuple([node_of(node, memo) for node in message.node]),
        tuple([_function_def(function, memo) for function in library.function]),
        builders.gradients((g.function_name, g.gradient_func) for g in library.gradient),
        versions_of(message.versions),
        unknown_fields=_graph_unknown_fields(message),
    )


def versions_of(message: graph_pb2.VersionDef) -> Versions:
    return Versions(message.producer, message.min_consumer, tuple(message.bad_consumers))


def _graph_unknown_fields(message: graph_pb2.GraphDef) -> bytes:
    unknown = graph_pb2.GraphDef(version=message.version)
    if message.HasField("debug_info"):
        unknown.debug_info.CopyFrom(message.debug_info)
    if message.library.registered_gradients:
        unknown.library.registered_gradients.extend(message.library.registered_gradients)
    return unknown.SerializeToString(deterministic=True)


def node_of(message: graph_pb2.NodeDef, memo: Memo) -> Node:
    attrs: dict[str, AttrValue] = {}
    for key, value in message.attr.items():
        data = value.SerializeToString()
        attr = memo.get(data, memo)
        if attr is memo:
            attr = memo[data] = attr_of(value)
        attrs[key] = attr  # pyright: ignore[reportArgumentType]
    return Node(
        message.name,
        message.op,
        tuple(message.input),
        attrs,
        message.device,
        -1,
        _node_unknown_fields(message),
    )


def _node_unknown_fields(message: graph_pb2.NodeDef) -> bytes:
    if not (message.HasField("experimental_debug_info") or message.HasField("experimental_type")):
        return b""
    return _only(message, builders.NODE_UNKNOWN_FIELDS)


def _only(message: Any, fields: Iterable[str]) -> bytes:
    """Returns the given fields of a message, serialized."""
    return _without(message, {field.name for field in message.DESCRIPTOR.fields}.difference(fields))


def _without(message: Any, fields: Iterable[str]) -> bytes:
    """Returns all but the given fields of a message, serialized."""
    others = type(message)()
    others.CopyFrom(message)
    for name in fields:
        others.ClearField(name)
    return others.SerializeToString(deterministic=True)


def attr_of(message: graph_pb2.AttrValue) -> AttrValue:
    """Converts an AttrValue."""
    kind = message.WhichOneof("value")
    if kind is None:
        return None
    value = getattr(message, kind)
    if kind == "list":
        return tuple(_items(value))
    return _read(kind, value)


def _items(message: graph_pb2.AttrValue.ListValue) -> Iterable[Any]:
    return [_read(kind, item) for kind in builders.LIST_FIELDS for item in getattr(message, kind)]


def _read(kind: str, value: Any) -> Any:
    read = _READ.get(kind)
    return value if read is None else read(value)


def _float(value: float) -> float:
    return math.nan if value != value else value


def shape_of(message: tensor_pb2.TensorShapeProto) -> Shape:
    dims = message.dim
    return builders.shape((d.size for d in dims), (d.name for d in dims), message.unknown_rank)


def tensor_of(message: tensor_pb2.TensorProto) -> TensorValue:
    values = {name: tuple(field) for name in builders.TENSOR_FIELDS if (field := getattr(message, name))}
    for name in ("resource_handle_val", "variant_val"):
        if name in values:
            values[name] = tuple(item.SerializeToString(deterministic=True) for item in values[name])
    for name in ("float_val", "double_val", "scomplex_val", "dcomplex_val"):
        if name in values:
            values[name] = tuple(map(_float, values[name]))
    if message.float8_val:
        values["float8_val"] = (message.float8_val,)
    shape = shape_of(message.tensor_shape) if message.HasField("tensor_shape") else SCALAR
    return TensorValue(
        dtypes.of_number(message.dtype), shape, message.tensor_content, values, message.version_number
    )


def _function(message: graph_pb2.NameAttrList) -> Function:
    return Function(message.name, _attrs(message.attr))


def _attrs(message: Any) -> dict[str, AttrValue]:
    return {key: attr_of(value) for key, value in message.items()}


def _function_def(message: graph_pb2.FunctionDef, memo: Memo) -> FunctionDef:
    signature = message.signature
    return FunctionDef(
        signature.name,
        tuple(map(_argument, signature.input_arg)),
        tuple(map(_argument, signature.output_arg)),
        tuple([node_of(node, memo) for node in message.node_def]),
        dict(message.ret),
        dict(message.control_ret),
        _attrs(message.attr),
        signature.is_stateful,
        _without(signature, builders.SIGNATURE_KEPT),
        _without(message, builders.FUNCTION_KEPT),
    )


def _argument(message: graph_pb2.OpDef.ArgDef) -> Argument:
    return Argument(
        message.name,
        int(message.type),  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        message.type_attr,
        message.number_attr,
        message.type_list_attr,
        message.is_ref,
        message.description,
        _only(message, builders.ARGUMENT_UNKNOWN_FIELDS),
    )


_READ: Mapping[str, Callable[[Any], Any]] = {
    "f": _float,
    "type": dtypes.of_number,
    "shape": shape_of,
    "tensor": tensor_of,
    "func": _function,
    "placeholder": Placeholder,
}
