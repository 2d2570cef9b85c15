"""Parts of messages that mean nothing here, kept as serialised bytes.

Only a text that has such parts needs protobuf to be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf import text_format

from ..errors import invalid
from ..text.schema import Field, Tree
from ..text.schema import message as schema_of
from . import graph_pb2, meta_graph_pb2, tensor_pb2, to_proto

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def serialised(name: str, tree: Tree) -> bytes:
    """The bytes of a message that the parser read as a tree."""
    message = message_type(name)()
    fill(message, tree)
    return message.SerializeToString(deterministic=True)


def message_type(name: str) -> Any:
    """The class of a message by its name in the schema."""
    found: Any = None
    outer, *inner = name.split(".")
    for module in (tensor_pb2, graph_pb2, meta_graph_pb2):
        found = found or getattr(module, outer, None)
    for part in inner:
        found = getattr(found, part)
    return found


def fill(message: Any, tree: Tree) -> None:
    """Puts a parsed tree, and the objects that were built inside it, into an empty message."""
    fields = schema_of(message.DESCRIPTOR.full_name.removeprefix("tfg.")).fields
    for name, value in tree.items():
        if name:
            _fill_field(message, fields[name], value)


def _fill_field(message: Any, field: Field, value: Any) -> None:
    target = getattr(message, field.name)
    if field.is_map:
        _fill_map(
            target, value, is_scalar=field.message is None or field.message.fields["value"].message is None
        )
    elif field.message is not None:
        for item in value if field.repeated else (value,):
            _put(target.add() if field.repeated else target, item)
    elif field.repeated:
        target.extend(value)
    else:
        setattr(message, field.name, value)


def _fill_map(target: Any, entries: dict[Any, Any], is_scalar: bool) -> None:
    for key, item in entries.items():
        if is_scalar:
            target[key] = item
        else:
            _put(target[key], item)


def _put(target: Any, value: Any) -> None:
    target.SetInParent()
    put = _PUT.get(target.DESCRIPTOR.name)
    if put is not None:
        put(target, value)
    elif isinstance(value, bytes):
        target.MergeFromString(value)
    else:
        fill(target, value)


_PUT: Mapping[str, Callable[[Any, Any], None]] = {
    "AttrValue": to_proto.fill_attr,
    "TensorShapeProto": to_proto.fill_shape,
    "TensorProto": to_proto.fill_tensor,
    "NameAttrList": to_proto.fill_function,
    "VersionDef": to_proto.fill_versions,
    "GraphDef": to_proto.fill_graph,
}


def text_of(name: str, data: bytes, indent: int) -> str:
    """The lines of a serialised message's fields. Raises INVALID_ARGUMENT for names that are no text, which
    binary debug information may have."""
    message = message_type(name)()
    message.MergeFromString(data)
    try:
        return text_format.MessageToString(message, indent=indent)
    except (TypeError, ValueError) as error:
        raise invalid(f"a part of a {name} is not UTF-8, and cannot be written as text") from error


def take(name: str, data: bytes, field: str) -> tuple[bytes, bytes]:
    """One message-typed field of a serialised message, and the others."""
    message = message_type(name)()
    message.MergeFromString(data)
    taken = getattr(message, field).SerializeToString(deterministic=True)
    message.ClearField(field)
    return taken, message.SerializeToString(deterministic=True)
