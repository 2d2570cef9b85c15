"""Generates fields.py: the message types of text files as plain data, so that reading text needs no protobuf import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from .machine_pb2 import Machine
from .meta_graph_pb2 import SavedModel

_HEAD = '''"""The messages of text files as plain data: name, then type, label and oneof of each field.

Written by make_fields.py; do not edit.
"""

from __future__ import annotations

'''


def render() -> str:
    """Returns the text of fields.py."""
    messages: dict[str, Any] = {}
    enums: dict[str, Any] = {}
    _collect(SavedModel.DESCRIPTOR, messages, enums)
    _collect(Machine.DESCRIPTOR, messages, enums)
    lines = [_HEAD, "MESSAGES: dict[str, dict[str, tuple[str, str, str]]] = {\n"]
    for name, message in sorted(messages.items()):
        rows = "".join(f'        "{field.name}": {_row(field)},\n' for field in message.fields)
        lines.append(f'    "{name}": {{\n{rows}    }},\n' if rows else f'    "{name}": {{}},\n')
    lines.append("}\n\nENUMS: dict[str, dict[str, int]] = {\n")
    for name, enum in sorted(enums.items()):
        lines.append(f'    "{name}": {{\n')
        lines += [f'        "{value.name}": {value.number},\n' for value in enum.values]
        lines.append("    },\n")
    lines.append("}\n")
    return "".join(lines)


def _collect(message: Any, messages: dict[str, Any], enums: dict[str, Any]) -> None:
    if _name(message) in messages:
        return
    messages[_name(message)] = message
    for field in message.fields:
        if field.enum_type is not None:
            enums[_name(field.enum_type)] = field.enum_type
        if field.message_type is not None:
            _collect(field.message_type, messages, enums)


def _name(item: Any) -> str:
    return item.full_name.removeprefix("tfg.")


_KINDS = [
    "double",
    "float",
    "int64",
    "uint64",
    "int32",
    "fixed64",
    "bool",
    "string",
    "bytes",
    "uint32",
    "sint64",
]
_SCALARS = {getattr(FieldDescriptor, f"TYPE_{kind.upper()}"): kind for kind in _KINDS}


def _is_repeated(field: Any) -> bool:
    # Older versions of protobuf have only the label, and newer ones deprecate it.
    return (
        field.is_repeated if hasattr(field, "is_repeated") else field.label == FieldDescriptor.LABEL_REPEATED
    )


def _row(field: Any) -> str:
    kind = _SCALARS.get(field.type) or _name(field.message_type or field.enum_type)
    is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
    oneof = field.containing_oneof.name if field.containing_oneof else ""
    explicit = field.has_presence and not oneof and field.message_type is None
    label = "map" if is_map else "repeated" if _is_repeated(field) else "optional" if explicit else ""
    return f'("{kind}", "{label}", "{oneof}")'


if __name__ == "__main__":
    Path(__file__).with_name("fields.py").write_text(render())
