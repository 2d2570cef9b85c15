"""Converts graphs to protobuf messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..attributes import AttrValue, Function, Placeholder
from ..dtypes import DType
from ..graph import Argument, FunctionDef, Graph, Node, Versions
from ..shapes import Shape
from ..tensors import TensorValue
from . import graph_pb2, tensor_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# Attribute messages by the identity of their values.
Memo = dict[int, graph_pb2.AttrValue]


def fill_graph(target: graph_pb2.GraphDef, graph: Graph) -> None:
    """Fills an empty GraphDef."""
    memo: Memo = {}
    if graph.unknown_fields:
        target.MergeFromString(graph.unknown_fields)
    for node in graph.nodes:
        fill_node(target.node.add(), node, memo)
    for function in graph.functions:
        fill_function_def(target.library.function.add(), function, memo)
    for function, gradient in graph.gradients.items():
        target.library.gradient.add(function_name=function, gradient_func=gradient)
    if graph.versions != Versions():
        fill_versions(target.versions, graph.versions)


def fill_versions(target: graph_pb2.VersionDef, versions: Versions) -> None:
    target.SetInParent()
    target.producer = versions.producer
    target.min_consumer = versions.min_consumer
    target.bad_consumers.extend(versions.bad_consumers)


def fill_node(target: graph_pb2.NodeDef, node: Node, memo: Memo) -> None:
    target.name = node.name
    target.op = node.op
    if node.inputs:
        target.input.extend(node.inputs)
    if node.device:
        target.device = node.device
    if node.debug:
        target.MergeFromString(node.debug)
    _fill_attrs(target.attr, node.attrs, memo)


def _fill_attrs(target: Any, attrs: Mapping[str, AttrValue], memo: Memo) -> None:
    for key, value in attrs.items():
        message = memo.get(id(value))
        if message is None:
            message = memo[id(value)] = graph_pb2.AttrValue()
            fill_attr(message, value)
        target[key].CopyFrom(message)


def fill_attr(target: graph_pb2.AttrValue, value: AttrValue) -> None:
    """Fills an empty AttrValue."""
    if isinstance(value, tuple):
        target.list.SetInParent()
        for item in value:
            _FILL_LIST[type(item)](target.list, item)
    elif value is not None:
        _FILL[type(value)](target, value)


def _set(name: str) -> Callable[[Any, Any], None]:
    return lambda target, value: setattr(target, name, value)


def _append(name: str) -> Callable[[Any, Any], None]:
    return lambda target, value: getattr(target, name).append(value)


def fill_shape(target: tensor_pb2.TensorShapeProto, shape: Shape) -> None:
    target.SetInParent()
    if shape.dims is None:
        target.unknown_rank = True
        return
    names = shape.names or ("",) * len(shape.dims)
    for size, name in zip(shape.dims, names):
        target.dim.add(size=-1 if size is None else size, name=name)


def fill_tensor(target: tensor_pb2.TensorProto, tensor: TensorValue) -> None:
    target.dtype = tensor.dtype.number  # pyright: ignore[reportAttributeAccessIssue]
    fill_shape(target.tensor_shape, tensor.shape)
    target.version_number = tensor.version
    target.tensor_content = tensor.content
    for name, values in tensor.values.items():
        if name == "float8_val":
            target.float8_val = b"".join(values)
        elif name in ("resource_handle_val", "variant_val"):
            for value in values:
                getattr(target, name).add().MergeFromString(value)
        else:
            getattr(target, name).extend(values)


def fill_function(target: graph_pb2.NameAttrList, function: Function) -> None:
    target.SetInParent()
    target.name = function.name
    for key, value in function.attrs.items():
        fill_attr(target.attr[key], value)


def fill_function_def(target: graph_pb2.FunctionDef, function: FunctionDef, memo: Memo) -> None:
    """Fills an empty FunctionDef."""
    if function.unknown_fields:
        target.MergeFromString(function.unknown_fields)
    signature = target.signature
    if function.signature_unknown_fields:
        signature.MergeFromString(function.signature_unknown_fields)
    signature.name = function.name
    signature.is_stateful = function.is_stateful
    _fill_arguments(signature.input_arg, function.inputs)
    _fill_arguments(signature.output_arg, function.outputs)
    for node in function.body:
        fill_node(target.node_def.add(), node, memo)
    target.ret.update(function.returns)
    target.control_ret.update(function.control_returns)
    _fill_attrs(target.attr, function.attrs, memo)


def _fill_arguments(target: Any, arguments: Iterable[Argument]) -> None:
    for argument in arguments:
        message = target.add(
            name=argument.name,
            type=argument.type,
            type_attr=argument.type_attr,
            number_attr=argument.number_attr,
            type_list_attr=argument.type_list_attr,
            is_ref=argument.is_ref,
            description=argument.description,
        )
        if argument.debug:
            message.MergeFromString(argument.debug)


_FILL: Mapping[type, Callable[[Any, Any], None]] = {
    bytes: _set("s"),
    int: _set("i"),
    float: _set("f"),
    bool: _set("b"),
    DType: lambda target, value: setattr(target, "type", value.number),
    Shape: lambda target, value: fill_shape(target.shape, value),
    TensorValue: lambda target, value: fill_tensor(target.tensor, value),
    Function: lambda target, value: fill_function(target.func, value),
    Placeholder: lambda target, value: setattr(target, "placeholder", value.name),
}
_FILL_LIST: Mapping[type, Callable[[Any, Any], None]] = {
    bytes: _append("s"),
    int: _append("i"),
    float: _append("f"),
    bool: _append("b"),
    DType: lambda target, value: target.type.append(value.number),
    Shape: lambda target, value: fill_shape(target.shape.add(), value),
    TensorValue: lambda target, value: fill_tensor(target.tensor.add(), value),
    Function: lambda target, value: fill_function(target.func.add(), value),
}
