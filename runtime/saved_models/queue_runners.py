"""The queue runners of a MetaGraph's collections (tensorflow/core/protobuf/queue_runner.proto)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphfmt.graph import endpoint
from ...graphfmt.proto.varints import varint
from ..execution.background import BackgroundNode

if TYPE_CHECKING:
    from ...graphfmt.metagraph import MetaGraph

COLLECTION = "queue_runners"
_ENQUEUE_OP, _CLOSE_OP = 2, 3
_LENGTH_DELIMITED = 2


def queue_runners(meta: MetaGraph) -> list[BackgroundNode]:
    """Returns the nodes that the queue runners of a MetaGraph run, each with the node that closes its queue."""
    nodes: list[BackgroundNode] = []
    for message in meta.collections.get(COLLECTION, ()):
        if not isinstance(message, bytes):
            continue
        fields = _texts(message)
        close = next((text for number, text in fields if number == _CLOSE_OP), None)
        names = [endpoint(text).node for number, text in fields if number == _ENQUEUE_OP]
        nodes += [BackgroundNode(name, names.count(name), close) for name in dict.fromkeys(names)]
    return [node for node in nodes if node.name in meta.graph]


def _texts(message: bytes) -> list[tuple[int, str]]:
    """Returns the string fields of a message with their numbers; none of a damaged one."""
    texts: list[tuple[int, str]] = []
    position = 0
    try:
        while position < len(message):
            tag, position = varint(message, position)
            size, position = varint(message, position)
            if tag & 7 == _LENGTH_DELIMITED:
                texts.append((tag >> 3, message[position : position + size].decode()))
                position += size
    except ValueError:
        return []
    return texts
