"""Nodes, shapes and tensors that look as most do, read by one regular expression per part.

What is cut out here is always a whole number of tokens, read in the end by the parser: no token holds a line
break, and braces inside strings are skipped. So it does not matter how well a text keeps to the layout; it is
only read faster.
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
from .schema import Tree, message
from .source import SourceText
from .tokens import BLANK, STRING, read_bytes

if TYPE_CHECKING:
    from ..attributes import AttrValue


def _balanced(depth: int) -> str:
    """A pattern of text in which braces match, nested so deep at most."""
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
# Attributes are parsed apart from what is around them, so that how deep they stand is not known.
_DEPTH = 20
# Longer attributes are large tensors, and no other is like them.
_LONGEST_KEPT = 1 << 14
_ENTRY = message("NodeDef.AttrEntry")
_TENSOR_FIELDS = message("TensorProto").fields


class FastPath:
    """Reads nodes and shapes that look as most do, and remembers what they are made of."""

    def __init__(self) -> None:
        self._attrs: dict[str, tuple[str, AttrValue]] = {}
        self._shapes: dict[str, Shape] = {}
        self._inside = {"TensorShapeProto": self.read_shape, "TensorProto": self.read_tensor}

    @property
    def shortcuts(self) -> dict[str, Shortcut]:
        """What to give to a parser."""
        return {"NodeDef": self.read_node, **self._inside}

    def read_node(self, text: str, position: int, start: int) -> tuple[Node, int] | None:
        """The node whose fields begin at ``position`` and whose name at ``start``; None if it is unusual."""
        once = {"name": "", "op": "", "device": ""}
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
                return Node(once["name"], once["op"], tuple(inputs), attrs, once["device"], start), position
            elif once[field]:
                return None
            else:
                once[field] = value

    def read_shape(self, text: str, position: int, start: int) -> tuple[Shape, int] | None:
        """The shape whose fields begin at ``position``; None if it is more than a row of sizes."""
        match = _SHAPE.match(text, position)
        return (self._shape(match[0]), match.end()) if match else None

    def _shape(self, dims: str) -> Shape:
        known = self._shapes.get(dims)
        if known is None:
            sizes = map(int, _SIZE.findall(dims))
            known = self._shapes[dims] = Shape(tuple(None if size < 0 else size for size in sizes))
        return known

    def read_tensor(self, text: str, position: int, start: int) -> tuple[TensorValue, int] | None:
        """The tensor whose fields begin at ``position``; None if it holds strings or is unusual."""
        match = _TENSOR.match(text, position)
        if match is None:
            return None
        name, dims, content, lines, field = match.groups()
        dtype, read = BY_ENUM_NAME.get(name), _TENSOR_FIELDS[field].read if field in _TENSOR_FIELDS else None
        if dtype is None or (field and read is None):
            return None
        try:
            values = {field: tuple(map(read, lines.split()[1::2]))} if field and read else {}
            data = read_bytes(content) if content else b""
        except ValueError:
            return None
        return TensorValue(dtype, self._shape(dims), data, values), match.end()

    def _read_attr(self, chunk: str) -> tuple[str, AttrValue] | None:
        """The key and value of what follows ``attr {``, its closing brace included."""
        try:
            entry, end = Parser(SourceText("", chunk), self._inside, _DEPTH).parse(_ENTRY, 0, "}")
        except TfgError:
            return None
        if end != len(chunk) and chunk[end:].strip():
            return None
        tree: Tree = entry
        found = tree.get("key", ""), tree.get("value")
        if len(chunk) <= _LONGEST_KEPT:
            self._attrs[chunk] = found
        return found
