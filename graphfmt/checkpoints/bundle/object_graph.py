"""Checkpoints of TensorFlow 2, which name tensors by the way through objects: back to names of variables.

``tf.train.Checkpoint`` keeps a variable under a key such as ``layer/kernel/.ATTRIBUTES/VARIABLE_VALUE``, and
beside all of them a description of the objects, which knows the name that each variable has in a graph.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ...errors import Location, Status, TfgError

if TYPE_CHECKING:
    from ..entries import CheckpointReader

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def variable_names(reader: CheckpointReader) -> dict[str, str]:
    """The variable's name of each key that has one; nothing for a checkpoint that goes by names anyway.

    Objects may share a name (Keras calls every kernel ``kernel``): such a name says nothing and is left out.

    Raises DATA_LOSS where the description is none.
    """
    if OBJECT_GRAPH not in reader.entries:
        return {}
    from google.protobuf.message import DecodeError

    from ...proto.trackable_pb2 import TrackableObjectGraph

    try:
        graph = TrackableObjectGraph.FromString(reader.read(OBJECT_GRAPH).item())
    except (DecodeError, TypeError, ValueError) as error:
        raise TfgError(
            Status.DATA_LOSS,
            f"{reader.path!r} has in {OBJECT_GRAPH!r} no description of objects",
            location=Location(reader.path),
        ) from error
    found = {
        tensor.checkpoint_key: tensor.full_name
        for node in graph.nodes
        for tensor in node.attributes
        if tensor.full_name and tensor.checkpoint_key in reader.entries
    }
    uses = Counter(found.values())
    return {key: name for key, name in found.items() if uses[name] == 1}
