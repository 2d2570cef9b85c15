"""Reads GraphDef text, fast, into graphs.

Nodes mostly look alike: a few quoted strings and a few attributes, the same ones over and over. So a node is
first tried as such, one regular expression per field, and each ``attr { … }`` is looked up by its text among
those met before. Whatever else there is, and every fault, is left to the parser. No protobuf is imported on
this path, except for the parts that only need to survive.

What is read is what protobuf's Python parser reads, with these differences:

- Refused: a number that is no DataType, a dimension below -1, dimensions in a shape of unknown rank, a
  function with two different gradients: nothing here could stand for them.
- Escapes are C's and protobuf's: an unknown one is an error, as in TensorFlow, and so are Python's own
  (``\\N{…}``); ``\\?`` is a question mark.
- Messages may be nested 100 deep, as in binary files.
- A NaN loses its sign and payload. A tensor without ``tensor_shape`` is a scalar; a message that is there but
  empty (``versions``, ``library``, ``signature``) is the same as none.
- SavedObjectGraph (in meta graphs) is passed over.
"""

from __future__ import annotations

import re
from typing import Any

from . import build as _build  # makes the parser build graphs
from .attributes import AttrValue
from .errors import TfgError, invalid
from .garbage import no_collection
from .graph import Graph, Node
from .shapes import Shape
from .source import Source
from .textparser import Parser
from .textplaces import find_in_node
from .textschema import Message, Tree, message
from .texttokens import BLANK, STRING

__all__ = ["find_in_node", "parse_text", "read_graph"]

_build.install()


def _balanced(depth: int) -> str:
    """A pattern of text in which braces match, nested so deep at most."""
    inner = rf'[^{{}}"\'#<>]++|"[^"\\\n]*+"|{STRING}'
    if depth:
        inner += rf"|\{{{_balanced(depth - 1)}\}}"
    return f"(?:{inner})*+"


# A quoted field, an attribute without its opening brace, or the node's end.
_PART = re.compile(
    rf'{BLANK}(?:(name|op|device|input)\s*+:\s*+"([^"\\\n]*+)"|attr\s*+\{{({_balanced(6)}\}})|\}})'
)
_DIMS = re.compile(r"(?:\s*+dim \{\s*+size: (?:-1|0|[1-9][0-9]{0,17})\s++\})*+\s*+\}")
_SIZE = re.compile(r"-?[0-9]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
# Attributes are parsed apart from what is around them, so that how deep they stand is not known.
_DEPTH = 20
# Longer attributes are large tensors, and no other is like them.
_LONGEST_KEPT = 1 << 14
_ENTRY = message("NodeDef.AttrEntry")


def read_graph(text: str, name: str) -> Graph:
    """The graph that a GraphDef's text describes; ``name`` is the file's, for messages.

    Raises INVALID_ARGUMENT with the place of the first fault.
    """
    graph, source = parse_text(message("GraphDef"), text, name)
    return Graph(graph.nodes, graph.functions, graph.gradients, graph.versions, source, graph.rest)


def parse_text(kind: Message, text: str, name: str) -> tuple[Any, Source]:
    """A text's message, as the parser makes it, and the source that its offsets point into."""
    source = Source(name, text.replace("\r\n", "\n") if "\r" in text else text)
    stray = None if source.text.isascii() else _SURROGATE.search(source.text)
    if stray:
        raise invalid("the text has half of a UTF-16 surrogate pair").at(None, source.position(stray.start()))
    usual = _Usual()
    shortcuts = {"NodeDef": usual.read_node, "TensorShapeProto": usual.read_shape}
    with no_collection():
        return Parser(source, shortcuts).parse(kind)[0], source


class _Usual:
    """Reads nodes and shapes that look as most do, and remembers what they are made of."""

    def __init__(self) -> None:
        self._attrs: dict[str, tuple[str, AttrValue]] = {}
        self._shapes: dict[str, Shape] = {}
        self._inside = {"TensorShapeProto": self.read_shape}

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
            field, value, attr = match.groups()
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
        match = _DIMS.match(text, position)
        if match is None:
            return None
        known = self._shapes.get(match[0])
        if known is None:
            sizes = map(int, _SIZE.findall(match[0]))
            known = self._shapes[match[0]] = Shape(tuple(None if size < 0 else size for size in sizes))
        return known, match.end()

    def _read_attr(self, chunk: str) -> tuple[str, AttrValue] | None:
        """The key and value of what follows ``attr {``, its closing brace included."""
        try:
            entry, end = Parser(Source("", chunk), self._inside, _DEPTH).parse(_ENTRY, 0, "}")
        except TfgError:
            return None
        if end != len(chunk) and chunk[end:].strip():
            return None
        tree: Tree = entry
        found = tree.get("key", ""), tree.get("value")
        if len(chunk) <= _LONGEST_KEPT:
            self._attrs[chunk] = found
        return found
