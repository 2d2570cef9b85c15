"""Variable names in object-based checkpoints of TensorFlow 2.

``tf.train.Checkpoint`` stores a variable under a key such as ``layer/kernel/.ATTRIBUTES/VARIABLE_VALUE``, and an object
graph with the name of each variable in the TensorFlow graph.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ...errors import Location, Status, TfgError

if TYPE_CHECKING:
    from ..entries import CheckpointReader

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def variable_names(reader: CheckpointReader) -> dict[str, str]:
    """Returns the variable names by key; empty for a name-based checkpoint.

    Names that several objects share (every Keras kernel is ``kernel``) are ambiguous and left out. Raises DATA_LOSS for
    a damaged object graph.
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
            f"{reader.path!r} has a damaged object graph in {OBJECT_GRAPH!r}",
            location=Location(reader.path),
        ) from error
    names = {
        tensor.checkpoint_key: tensor.full_name
        for node in graph.nodes
        for tensor in node.attributes
        if tensor.full_name and tensor.checkpoint_key in reader.entries
    }
    uses = Counter(names.values())
    return {key: name for key, name in names.items() if uses[name] == 1}
