"""Reads and writes graphs as binary GraphDefs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError, EncodeError

from ..errors import Location, Status, TfgError, invalid
from ..gc_pause import paused_gc
from . import from_proto, graph_pb2, to_proto

if TYPE_CHECKING:
    from ..graph import Graph


def graph_from_bytes(data: bytes, name: str) -> Graph:
    """Returns the graph in a serialized GraphDef; ``name`` is the file's, for error messages.

    Raises DATA_LOSS for malformed bytes, INVALID_ARGUMENT for values that no graph can represent.
    """
    message = parse_message(graph_pb2.GraphDef(), data, name)
    try:
        with paused_gc():
            return from_proto.graph_of(message)
    except TfgError as error:
        raise error.at(None, Location(name)) from None


def graph_to_bytes(graph: Graph) -> bytes:
    """Returns a graph as a serialized GraphDef; equal graphs give equal bytes.

    Raises RESOURCE_EXHAUSTED for a graph above the 2 GiB limit of a message.
    """
    message = graph_pb2.GraphDef()
    try:
        with paused_gc():
            to_proto.fill_graph(message, graph)
        return message.SerializeToString(deterministic=True)
    except EncodeError as error:
        raise _too_large() from error
    except (ValueError, TypeError) as error:
        raise invalid(f"the graph cannot be written: {error}") from error


def parse_message(message: Any, data: bytes, name: str) -> Any:
    """Parses bytes into an empty message, and returns it. Raises DATA_LOSS."""
    try:
        message.MergeFromString(data)
    except (DecodeError, RecursionError) as error:
        why = f"{name} is not a {message.DESCRIPTOR.name}: it is damaged or of another format"
        raise TfgError(Status.DATA_LOSS, why, location=Location(name)) from error
    return message


def _too_large() -> TfgError:
    return TfgError(
        Status.RESOURCE_EXHAUSTED,
        "the graph is larger than 2 GiB, the limit of binary files",
        hint="text files have no size limit",
    )
