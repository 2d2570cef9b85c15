"""Writes graphs as text in protobuf's layout, which the reader's fast path expects.

TensorFlow reads the text as a message equal to that of the binary writer. Attributes are sorted by name, so that
equal graphs give equal texts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..attributes import AttrValue, Function, Placeholder
from ..dtypes import DType
from ..errors import invalid
from ..graph import Argument, FunctionDef, Graph, Node, Versions
from ..shapes import Shape
from ..tensors import TensorValue
from .tokens import to_float32

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Lines = list[str]

_ODD_TEXT = re.compile(r'["\\\x00-\x1f\x7f\ud800-\udfff]')
_ODD_BYTES = re.compile(rb"[\"'\\\x00-\x1f\x7f-\xff]")
_ESCAPES = {9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 39: "\\'", 92: "\\\\"}
_BYTE = [_ESCAPES.get(b) or (chr(b) if 32 <= b < 127 else f"\\{b:03o}") for b in range(256)]


def write_graph(graph: Graph) -> str:
    """Returns the text of a graph. Raises INVALID_ARGUMENT for a name with half of a surrogate pair."""
    return "".join(_Writer().graph(graph))


def quoted(value: str) -> str:
    """Returns a string as a literal; characters beyond ASCII are not escaped."""
    if not _ODD_TEXT.search(value):
        return f'"{value}"'
    try:
        value.encode()
    except UnicodeEncodeError:
        raise invalid(f"{value!r} is not text that a file can hold") from None
    return '"' + "".join(_BYTE[ord(c)] if ord(c) < 128 else c for c in value) + '"'


def quoted_bytes(value: bytes) -> str:
    """Returns bytes as a literal; all but printable ASCII is escaped."""
    if not _ODD_BYTES.search(value):
        return f'"{value.decode("ascii")}"'
    return '"' + "".join([_BYTE[b] for b in value]) + '"'


def float_text(value: float) -> str:
    """Returns the shortest decimal that reads back as this float32 value."""
    for digits in (6, 7, 8):
        short = float(f"{value:.{digits}g}")
        if to_float32(short) == value:
            return repr(short)
    return repr(float(f"{value:.9g}"))


def _bool(value: bool) -> str:
    return "true" if value else "false"


class _Writer:
    """Writes one graph. Caches the text of attributes by the identity of their values, which nodes share."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, int, str], str] = {}

    def graph(self, graph: Graph) -> Lines:
        out: Lines = []
        for node in graph.nodes:
            self._node(out, "node", node, "")
        registered, unknown = _graph_unknown_text(graph.unknown_fields)
        if graph.functions or graph.gradients or registered:
            out.append("library {\n")
            for function in graph.functions:
                self._function_def(out, function)
            for function, gradient in graph.gradients.items():
                names = f"    function_name: {quoted(function)}\n    gradient_func: {quoted(gradient)}\n"
                out.append(f"  gradient {{\n{names}  }}\n")
            out.append(registered + "}\n")
        if graph.versions != Versions():
            out.append(_versions(graph.versions))
        out.append(unknown)
        return out

    def _node(self, out: Lines, field: str, node: Node, pad: str) -> None:
        out.append(f"{pad}{field} {{\n")
        if node.name:
            out.append(f"{pad}  name: {quoted(node.name)}\n")
        if node.op:
            out.append(f"{pad}  op: {quoted(node.op)}\n")
        for name in node.inputs:
            out.append(f"{pad}  input: {quoted(name)}\n")
        if node.device:
            out.append(f"{pad}  device: {quoted(node.device)}\n")
        self._attrs(out, node.attrs, pad + "  ")
        out.append(_unknown_text("NodeDef", node.debug, pad + "  "))
        out.append(f"{pad}}}\n")

    def _attrs(self, out: Lines, attrs: Mapping[str, AttrValue], pad: str) -> None:
        for key in sorted(attrs):
            value = attrs[key]
            known = self._entries.get((key, id(value), pad))
            if known is None:
                lines: Lines = [f"{pad}attr {{\n{pad}  key: {quoted(key)}\n{pad}  value {{\n"]
                self._attr(lines, value, pad + "    ")
                lines.append(f"{pad}  }}\n{pad}}}\n")
                known = self._entries[key, id(value), pad] = "".join(lines)
            out.append(known)

    def _attr(self, out: Lines, value: AttrValue, pad: str) -> None:
        if isinstance(value, tuple):
            out.append(f"{pad}list {{\n")
            for kind in _KINDS:
                for item in value:
                    if type(item) is kind:
                        self._scalar(out, item, pad + "  ")
            out.append(f"{pad}}}\n")
        elif value is not None:
            self._scalar(out, value, pad)

    def _scalar(self, out: Lines, value: Any, pad: str) -> None:
        name, write = _KINDS[type(value)]
        if write is not None:
            out.append(f"{pad}{name}: {write(value)}\n")
        elif isinstance(value, Shape):
            _shape(out, name, value, pad)
        elif isinstance(value, TensorValue):
            _tensor(out, value, pad)
        elif isinstance(value, Function):
            title = f"{pad}  name: {quoted(value.name)}\n" if value.name else ""
            out.append(f"{pad}func {{\n{title}")
            self._attrs(out, value.attrs, pad + "  ")
            out.append(f"{pad}}}\n")

    def _function_def(self, out: Lines, function: FunctionDef) -> None:
        out.append(f"  function {{\n    signature {{\n      name: {quoted(function.name)}\n")
        for field, arguments in (("input_arg", function.inputs), ("output_arg", function.outputs)):
            for argument in arguments:
                _argument(out, field, argument)
        if function.is_stateful:
            out.append("      is_stateful: true\n")
        out.append(_unknown_text("OpDef", function.signature_unknown_fields, "      "))
        out.append("    }\n")
        for node in function.body:
            self._node(out, "node_def", node, "    ")
        _strings(out, "ret", function.returns)
        self._attrs(out, function.attrs, "    ")
        _strings(out, "control_ret", function.control_returns)
        out.append(_unknown_text("FunctionDef", function.unknown_fields, "    "))
        out.append("  }\n")


def _unknown_text(name: str, data: bytes, pad: str) -> str:
    """Returns the text of the unknown fields of a message."""
    if not data:
        return ""
    from ..proto.unknown_fields import fields_text

    return fields_text(name, data, len(pad))


def _graph_unknown_text(data: bytes) -> tuple[str, str]:
    """Returns the text of a graph's unknown fields: those of its library, and the others."""
    if not data:
        return "", ""
    from ..proto.unknown_fields import split_field

    library, others = split_field("GraphDef", data, "library")
    return _unknown_text("FunctionDefLibrary", library, "  "), _unknown_text("GraphDef", others, "")


def _versions(versions: Versions) -> str:
    numbers = [("producer", versions.producer), ("min_consumer", versions.min_consumer)]
    lines = [f"  {name}: {number}\n" for name, number in numbers if number]
    lines += [f"  bad_consumers: {number}\n" for number in versions.bad_consumers]
    return f"versions {{\n{''.join(lines)}}}\n"


def _argument(out: Lines, field: str, argument: Argument) -> None:
    out.append(f"      {field} {{\n        name: {quoted(argument.name)}\n")
    if argument.description:
        out.append(f"        description: {quoted(argument.description)}\n")
    if argument.type:
        out.append(f"        type: {_enum(argument.type)}\n")
    for name in ("type_attr", "number_attr", "type_list_attr"):
        if getattr(argument, name):
            out.append(f"        {name}: {quoted(getattr(argument, name))}\n")
    if argument.is_ref:
        out.append("        is_ref: true\n")
    out.append(_unknown_text("OpDef.ArgDef", argument.debug, " " * 8))
    out.append("      }\n")


def _enum(number: int) -> str:
    from ..dtypes import BY_NUMBER

    return BY_NUMBER[number].enum_name if number in BY_NUMBER else str(number)


def _strings(out: Lines, field: str, entries: Mapping[str, str]) -> None:
    for key in sorted(entries):
        out.append(f"    {field} {{\n      key: {quoted(key)}\n      value: {quoted(entries[key])}\n    }}\n")


def _shape(out: Lines, field: str, shape: Shape, pad: str) -> None:
    out.append(f"{pad}{field} {{\n")
    if shape.dims is None:
        out.append(f"{pad}  unknown_rank: true\n")
    else:
        names = shape.names or ("",) * len(shape.dims)
        for size, name in zip(shape.dims, names):
            number = f"{pad}    size: {-1 if size is None else size}\n" if size != 0 else ""
            named = f"{pad}    name: {quoted(name)}\n" if name else ""
            out.append(f"{pad}  dim {{\n{number}{named}{pad}  }}\n")
    out.append(f"{pad}}}\n")


def _tensor(out: Lines, tensor: TensorValue, pad: str) -> None:
    out.append(f"{pad}tensor {{\n")
    if tensor.dtype.number:
        out.append(f"{pad}  dtype: {tensor.dtype.enum_name}\n")
    _shape(out, "tensor_shape", tensor.shape, pad + "  ")
    if tensor.version:
        out.append(f"{pad}  version_number: {tensor.version}\n")
    if tensor.content:
        out.append(f"{pad}  tensor_content: {quoted_bytes(tensor.content)}\n")
    for field, values in tensor.values.items():
        _tensor_field(out, field, values, pad + "  ")
    out.append(f"{pad}}}\n")


def _tensor_field(out: Lines, field: str, values: Iterable[Any], pad: str) -> None:
    if field == "float8_val":
        out.append(f"{pad}float8_val: {quoted_bytes(b''.join(values))}\n")
    elif field in _OPAQUE:
        for value in values:
            out.append(f"{pad}{field} {{\n{_unknown_text(_OPAQUE[field], value, pad + '  ')}{pad}}}\n")
    else:
        write = _ELEMENTS.get(field, str)
        out += [f"{pad}{field}: {write(value)}\n" for value in values]


_KINDS: Mapping[type, tuple[str, Callable[[Any], str] | None]] = {
    bytes: ("s", quoted_bytes),
    int: ("i", str),
    float: ("f", float_text),
    bool: ("b", _bool),
    DType: ("type", lambda dtype: dtype.enum_name),
    Shape: ("shape", None),
    TensorValue: ("tensor", None),
    Function: ("func", None),
    Placeholder: ("placeholder", lambda value: quoted(value.name)),
}
_OPAQUE = {"resource_handle_val": "ResourceHandleProto", "variant_val": "VariantTensorDataProto"}
_ELEMENTS: Mapping[str, Callable[[Any], str]] = {
    "float_val": float_text,
    "scomplex_val": float_text,
    "double_val": repr,
    "dcomplex_val": repr,
    "string_val": quoted_bytes,
    "bool_val": _bool,
}
