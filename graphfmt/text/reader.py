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
- A NaN loses its sign and payload. A tensor without ``tensor_shape`` is a scalar. A message that is there but
  empty (``versions``, ``library``, ``signature``) is the same as none.
- SavedObjectGraph (in meta graphs) is passed over.
"""

from __future__ import annotations

import re
from typing import Any

from ..errors import invalid
from ..gc_pause import no_collection
from ..graph import Graph
from ..proto import builders as _build
from .fast_path import FastPath
from .locations import find_in_node
from .parser import Parser
from .schema import Message, message
from .source import SourceText

__all__ = ["find_in_node", "parse_text", "read_graph"]

_build.install()  # makes the parser build graphs

_SURROGATE = "[\ud800-\udfff]"


def read_graph(text: str, name: str) -> Graph:
    """The graph that a GraphDef's text describes; ``name`` is the file's, for messages.

    Raises INVALID_ARGUMENT with the place of the first fault.
    """
    graph, source = parse_text(message("GraphDef"), text, name)
    return Graph(graph.nodes, graph.functions, graph.gradients, graph.versions, source, graph.unknown_fields)


def parse_text(kind: Message, text: str, name: str) -> tuple[Any, SourceText]:
    """A text's message, as the parser makes it, and the source that its offsets point into."""
    source = SourceText(name, text.replace("\r\n", "\n") if "\r" in text else text)
    stray = None if source.text.isascii() else re.search(_SURROGATE, source.text)
    if stray:
        raise invalid("the text has half of a UTF-16 surrogate pair").at(None, source.position(stray.start()))
    with no_collection():
        return Parser(source, FastPath().shortcuts).parse(kind)[0], source
