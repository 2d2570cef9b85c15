"""The fast path of the text parser: conventional nodes, shapes and tensors, one regular expression per part.

Each match covers whole tokens (no token contains a line break; braces inside strings are skipped), and the parser
reads each distinct attribute. So the layout of a text affects only the speed, never the result.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..dtypes import BY_ENUM_NAME
from ..errors import TfgError
from ..graph import Node
from ..shapes import Shape
from ..tensors import TensorValue
from .parser import Parser, Shortcut
from .source import SourceText
from .tokens import BLANK, STRING, read_bytes

if TYPE_CHECKING:
    from ..attributes import AttrValue
    from ..proto.builders import Tree
    from .schema import Schema


def _balanced(depth: int) -> str:
    """Returns a pattern for text with balanced braces, nested at most ``depth`` deep."""
    inner = rf'[^{{}}"\'#<>]++|"[^"\\\n]*+"|{STRING}'
    if depth:
        inner += rf"|\{{{_balanced(depth - 1)}\}}"
    return f"(?:{inner})*+"


# An attribute by indentation or by its braces, without its opening brace; a quoted field; or the node's end.
_PART = re.compile(
    r"\n( *+)attr \{((?:\n\1 [^\n]*+)++\n\1\})"
    rf'|{BLANK}(?:(name|op|device|input)\s*+:\s*+"([^"\\\n]*+)"|attr\s*+\{{({_balanced(6)}\}})|\}})'
)
_DIMS = r"(?:\s*+dim \{\s*+size: (?:-1|0|[1-9][0-9]{0,17})\s++\})*+\s*+\}"
_SHAPE = re.compile(_DIMS)
_SIZE = re.compile(r"-?[0-9]+")
_TENSOR = re.compile(
    rf"\s*+dtype: (DT_[A-Z0-9_]++)\s++tensor_shape \{{({_DIMS})(?:\s++tensor_content: ({STRING})"
    r"|((?:\s++(\w++_val): [\w.+\-]++(?:\s++\5: [\w.+\-]++)*+)?+))\s++\}"
)
# The assumed depth of an attribute, which is parsed apart from the messages around it.
_DEPTH = 20
# Longer attributes are not cached: they are large tensors, which do not recur.
_MAX_CACHED_LENGTH = 1 << 14


class FastPath:
    """Reads conventional nodes, shapes and tensors, and caches the attributes and shapes that recur."""

    def __init__(self, schema: Schema) -> None:
        self._entry = schema["NodeDef.AttrEntry"]
        self._tensor_fields = schema["TensorProto"].fields
        self._attrs: dict[str, tuple[str, AttrValue]] = {}
        self._shapes: dict[str, Shape] = {}
        self._inside = {"TensorShapeProto": self.read_shape, "TensorProto": self.read_tensor}

    @property
    def shortcuts(self) -> dict[str, Shortcut]:
        """The readers by message type, as ``Parser`` takes them."""
        return {"NodeDef": self.read_node, **self._inside}

    def read_node(self, text: str, position: int, start: int) -> tuple[Node, int] | None:
        """Reads the node whose fields begin at ``position``, and whose message begins at ``start``; None to decline."""
        single = {"name": "", "op": "", "device": ""}
        inputs: list[str] = []
        attrs: dict[str, AttrValue] = {}
        known, match_part = self._attrs, _PART.match
        while True:
            match = match_part(text, position)
            if match is None:
                return None
            position = match.end()
            _, attr, field, value, braced = match.groups()
            attr = attr or braced
            if attr:
                entry = known.get(attr) or self._read_attr(attr)
                if entry is None:
                    return None
                attrs[entry[0]] = entry[1]
            elif field == "input":
                inputs.append(value)
            elif field is None:
                return Node(
                    single["name"], single["op"], tuple(inputs), attrs, single["device"], start
                ), position
            elif single[field]:
                return None
            else:
                single[field] = value

    def read_shape(self, text: str, position: int, start: int) -> tuple[Shape, int] | None:
        """Reads the shape whose fields begin at ``position``; None for one with more than known sizes and -1."""
        match = _SHAPE.match(text, position)
        return (self._shape(match[0]), match.end()) if match else None

    def _shape(self, dims: str) -> Shape:
        known = self._shapes.get(dims)
        if known is None:
            sizes = map(int, _SIZE.findall(dims))
            known = self._shapes[dims] = Shape(tuple(None if size < 0 else size for size in sizes))
        return known

    def read_tensor(self, text: str, position: int, start: int) -> tuple[TensorValue, int] | None:
        """Reads the tensor whose fields begin at ``position``; None for strings and unconventional layouts."""
        match = _TENSOR.match(text, position)
        if match is None:
            return None
        name, dims, content, lines, field = match.groups()
        dtype, fields = BY_ENUM_NAME.get(name), self._tensor_fields
        read = fields[field].read if field in fields else None
        if dtype is None or (field and read is None):
            return None
        try:
            values = {field: tuple(map(read, lines.split()[1::2]))} if field and read else {}
            data = read_bytes(content) if content else b""
        except ValueError:
            return None
        return TensorValue(dtype, self._shape(dims), data, values), match.end()

    def _read_attr(self, chunk: str) -> tuple[str, AttrValue] | None:
        """Parses the map entry that follows ``attr {``, its closing brace included; None to decline."""
        try:
            entry, end = Parser(SourceText("", chunk), self._inside, _DEPTH).parse(self._entry, 0, "}")
        except TfgError:
            return None
        if end != len(chunk) and chunk[end:].strip():
            return None
        tree: Tree = entry
        attr = tree.get("key", ""), tree.get("value")
        if len(chunk) <= _MAX_CACHED_LENGTH:
            self._attrs[chunk] = attr
        return attr
