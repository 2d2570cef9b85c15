"""Reads GraphDef, MetaGraphDef and SavedModel text.

Most nodes are a few quoted strings and a few attributes that recur throughout the file. The fast path reads such
nodes with one regular expression per field and looks up each ``attr { … }`` by its text; the parser reads all else
and reports every fault. protobuf is imported only for fields that tfg does not interpret (``unknown_fields``).

The accepted language is that of protobuf's Python parser, except:

- Refused, because no graph can represent them: a number that is not a DataType, a dimension below -1, dimensions
  in a shape of unknown rank, a function with two different gradients.
- Escapes are those of C and protobuf: an unknown escape is an error, as in TensorFlow, and so are Python's own
  (``\\N{…}``); ``\\?`` is a question mark.
- Messages may be nested 100 deep, as in binary files.
- A NaN loses its sign and payload. A tensor without ``tensor_shape`` is a scalar. An empty message (``versions``,
  ``library``, ``signature``) equals an absent one.
- SavedObjectGraph (in meta graphs) is skipped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..errors import invalid
from ..gc_pause import paused_gc
from ..graph import Graph
from ..proto.builders import BUILDERS
from .fast_path import FastPath
from .parser import Parser
from .schema import compile_schema
from .source import SourceText

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .parser import Shortcut
    from .schema import MessageType

_SCHEMA = compile_schema("SavedModel", BUILDERS)
_SURROGATE = "[\ud800-\udfff]"


def read_graph(text: str, name: str) -> Graph:
    """Returns the graph in the text of a GraphDef; ``name`` is the file's, for error messages.

    Raises INVALID_ARGUMENT with the location of the first fault.
    """
    graph, source = parse_text("GraphDef", text, name)
    return Graph(graph.nodes, graph.functions, graph.gradients, graph.versions, source, graph.unknown_fields)


def parse_text(kind: str, text: str, name: str) -> tuple[Any, SourceText]:
    """Returns the object or tree for a GraphDef, MetaGraphDef or SavedModel, and the source its offsets refer to.

    Raises INVALID_ARGUMENT with the location of the first fault.
    """
    return parse_message(_SCHEMA[kind], text, name, FastPath(_SCHEMA).shortcuts)


def parse_message(
    message: MessageType, text: str, name: str, shortcuts: Mapping[str, Shortcut] | None = None
) -> tuple[Any, SourceText]:
    """Parses a text as one message of a schema; ``name`` and errors as for ``parse_text``."""
    source = SourceText(name, text.replace("\r\n", "\n") if "\r" in text else text)
    surrogate = None if source.text.isascii() else re.search(_SURROGATE, source.text)
    if surrogate:
        location = source.position(surrogate.start())
        raise invalid("the text has half of a UTF-16 surrogate pair").at(None, location)
    with paused_gc():
        return Parser(source, shortcuts).parse(message)[0], source
