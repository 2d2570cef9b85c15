"""Reads GraphDef text, fast, into graphs.

Graphs are written by people and by protobuf in one conventional layout, so a node is first tried as such: it
ends where a line begins with a brace as deep as its own, its head is one regular expression, and each of its
``attr { … }`` blocks is looked up by its text among those met before, for they repeat massively. Whatever is
not laid out like that, and every fault, is left to the parser. No protobuf is imported on this path, except
for the parts that only need to survive.

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

__all__ = ["find_in_node", "parse_text", "read_graph"]

_build.install()

_TEXT = r'"([^"\\\n]*+)"'
_HEAD = re.compile(
    rf'\s*+name: {_TEXT}\s++op: {_TEXT}(?:\s++((?:input: "[^"\\\n]*+"\s*+)++))?+(?:\s*+device: {_TEXT})?+\s*+'
)
_DIMS = re.compile(r"(?:\s*+dim \{\s*+size: (?:-1|0|[1-9][0-9]{0,17})\s++\})*+\s*+\}")
_SIZE = re.compile(r"-?[0-9]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
# Chunks are parsed apart from what is around them, so that how deep they stand is not known.
_DEPTH = 20
# Longer attributes are large tensors, and no other is like them.
_LONGEST_KEPT = 1 << 14
# Characters that may be looked at in vain, and the widest indentation of a conventional node.
_FIRST_CREDIT = 1 << 22
_WIDEST = 64
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
    conventional = _Conventional()
    shortcuts = {"NodeDef": conventional.read_node, "TensorShapeProto": conventional.read_shape}
    with no_collection():
        return Parser(source, shortcuts).parse(kind)[0], source


class _Conventional:
    """Reads nodes in the conventional layout."""

    def __init__(self) -> None:
        self._attrs: dict[str, tuple[str, AttrValue]] = {}
        self._shapes: dict[str, Shape] = {}
        self._marks: dict[str, tuple[str, str]] = {}
        self._inside = {"TensorShapeProto": self.read_shape}
        self._credit = _FIRST_CREDIT

    def read_node(self, text: str, position: int, start: int) -> tuple[Node, int] | None:
        """The node whose fields begin at ``position`` and whose name at ``start``; None if it is laid out in
        another way.

        No token holds a line break, so text may be cut at line breaks; and as every piece is a whole
        number of fields, together they are what the parser would have read.
        """
        line = text.rfind("\n", max(0, start - _WIDEST), start)
        indent = text[line + 1 : start] if line >= 0 or start < _WIDEST else "?"
        marks = self._marks.get(indent)
        if marks is None:
            if indent.strip(" "):
                return None
            marks = self._marks[indent] = (f"\n{indent}}}", f"\n{indent}  attr {{\n")
        # What was looked at in vain must stay in proportion to what was read, or a text could take for ever.
        if self._credit < 0 or not text.startswith("\n", position):
            return None
        end = text.find(marks[0], position)
        node = self._read_fields(text[position:end], marks[1], start) if end >= 0 else None
        if node is None:
            self._credit -= (end if end >= 0 else len(text)) - position
            return None
        self._credit += end - position
        return node, end + len(marks[0])

    def _read_fields(self, body: str, mark: str, start: int) -> Node | None:
        head, *chunks = body.split(mark)
        match = _HEAD.fullmatch(head)
        if match is None:
            return None
        attrs: dict[str, AttrValue] = {}
        known = self._attrs
        for chunk in chunks:
            entry = known.get(chunk) or self._read_attr(chunk)
            if entry is None:
                return None
            attrs[entry[0]] = entry[1]
        name, op, inputs, device = match.groups()
        given = tuple(inputs.split('"')[1::2]) if inputs else ()
        return Node(name, op, given, attrs, device or "", start)

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
