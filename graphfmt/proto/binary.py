"""Graphs as protobuf's binary messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError, EncodeError

from ..errors import Location, Status, TfgError, invalid
from ..gc_pause import no_collection
from . import from_proto, graph_pb2, to_proto

if TYPE_CHECKING:
    from ..graph import Graph


def graph_from_bytes(data: bytes, name: str) -> Graph:
    """The graph in a serialised GraphDef; ``name`` is the file's, for messages.

    Raises DATA_LOSS for bytes that are none, INVALID_ARGUMENT for what no graph can hold.
    """
    message = decoded(graph_pb2.GraphDef(), data, name)
    try:
        with no_collection():
            return from_proto.graph_of(message)
    except TfgError as error:
        raise error.at(None, Location(name)) from None


def graph_to_bytes(graph: Graph) -> bytes:
    """A graph as a serialised GraphDef; equal graphs give equal bytes.

    Raises RESOURCE_EXHAUSTED for a graph beyond the 2 GiB that a message can have.
    """
    message = graph_pb2.GraphDef()
    try:
        with no_collection():
            to_proto.fill_graph(message, graph)
        return message.SerializeToString(deterministic=True)
    except EncodeError as error:
        raise _too_large() from error
    except (ValueError, TypeError) as error:
        raise invalid(f"the graph cannot be written: {error}") from error


def decoded(message: Any, data: bytes, name: str) -> Any:
    """A message with the fields that bytes hold. Raises DATA_LOSS."""
    try:
        message.MergeFromString(data)
    except (DecodeError, RecursionError) as error:
        what = f"no {message.DESCRIPTOR.name}: the file is damaged, or of another kind"
        raise TfgError(Status.DATA_LOSS, f"{name} holds {what}", location=Location(name)) from error
    return message


def _too_large() -> TfgError:
    return TfgError(
        Status.RESOURCE_EXHAUSTED,
        "the graph is larger than the 2 GiB that a binary file can have",
        hint="text files have no limit",
    )
