"""Fields that tfg does not interpret, kept as serialized messages so that they survive reading and writing.

Only a text that has such fields needs protobuf to be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf import text_format

from ..errors import invalid
from . import graph_pb2, meta_graph_pb2, tensor_pb2, to_proto
from .fields import MESSAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .builders import Tree


def serialize_tree(name: str, tree: Tree) -> bytes:
    """Returns a message of the named type, serialized, from the tree that the text parser made of it."""
    message = _message_class(name)()
    fill_message(message, tree)
    return message.SerializeToString(deterministic=True)


def _message_class(name: str) -> Any:
    outer, *inner = name.split(".")
    module = next(m for m in (tensor_pb2, graph_pb2, meta_graph_pb2) if hasattr(m, outer))
    message_class = getattr(module, outer)
    for part in inner:
        message_class = getattr(message_class, part)
    return message_class


def fill_message(message: Any, tree: Tree) -> None:
    """Copies a parsed tree, with the objects that were built inside it, into an empty message."""
    fields = MESSAGES[message.DESCRIPTOR.full_name.removeprefix("tfg.")]
    for name, value in tree.items():
        if name:
            kind, label, _ = fields[name]
            _fill_field(message, name, kind, label, value)


def _fill_field(message: Any, name: str, kind: str, label: str, value: Any) -> None:
    target = getattr(message, name)
    if label == "map":
        _fill_map(target, value, is_scalar=MESSAGES[kind]["value"][0] not in MESSAGES)
    elif kind in MESSAGES:
        for item in value if label == "repeated" else (value,):
            _fill_value(target.add() if label == "repeated" else target, item)
    elif label == "repeated":
        target.extend(value)
    else:
        setattr(message, name, value)


def _fill_map(target: Any, entries: dict[Any, Any], is_scalar: bool) -> None:
    for key, item in entries.items():
        if is_scalar:
            target[key] = item
        else:
            _fill_value(target[key], item)


def _fill_value(target: Any, value: Any) -> None:
    target.SetInParent()
    fill = _FILL.get(target.DESCRIPTOR.name)
    if fill is not None:
        fill(target, value)
    elif isinstance(value, bytes):
        target.MergeFromString(value)
    else:
        fill_message(target, value)


_FILL: Mapping[str, Callable[[Any, Any], None]] = {
    "AttrValue": to_proto.fill_attr,
    "TensorShapeProto": to_proto.fill_shape,
    "TensorProto": to_proto.fill_tensor,
    "NameAttrList": to_proto.fill_function,
    "VersionDef": to_proto.fill_versions,
    "GraphDef": to_proto.fill_graph,
}


def fields_text(name: str, data: bytes, indent: int) -> str:
    """Returns the fields of a serialized message as lines of text.

    Raises INVALID_ARGUMENT for a string that is not UTF-8, which binary debug information may have.
    """
    message = _message_class(name).FromString(data)
    try:
        return text_format.MessageToString(message, indent=indent)
    except (TypeError, ValueError) as error:
        raise invalid(f"a {name} has a string that is not UTF-8 and cannot be written as text") from error


def split_field(name: str, data: bytes, field: str) -> tuple[bytes, bytes]:
    """Splits a serialized message into one message-typed field and the other fields, both serialized."""
    message = _message_class(name).FromString(data)
    value = getattr(message, field).SerializeToString(deterministic=True)
    message.ClearField(field)
    return value, message.SerializeToString(deterministic=True)
