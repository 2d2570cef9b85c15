"""Writes MetaGraphs, alone or in a SavedModel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf import text_format
from google.protobuf.message import EncodeError

from .errors import Status, TfgError
from .gc_pause import paused_gc
from .proto import meta_graph_pb2, to_proto
from .shapes import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .metagraph import Collection, MetaGraph, TensorInfo

# The schema of a SavedModel that every loader reads.
_SCHEMA_VERSION = 1
# The collection whose elements are Any messages; they are kept serialized.
_ANY_COLLECTIONS = frozenset({"saved_model_assets"})


def metagraph_to_bytes(meta: MetaGraph) -> bytes:
    """Returns a serialized MetaGraphDef. Raises RESOURCE_EXHAUSTED above 2 GiB, the limit of a message."""
    return _serialized(_metagraph(meta))


def metagraph_to_text(meta: MetaGraph) -> str:
    """Returns a MetaGraphDef as text."""
    return text_format.MessageToString(_metagraph(meta), as_utf8=True)


def saved_model_to_bytes(metas: Sequence[MetaGraph]) -> bytes:
    """Returns a serialized SavedModel. Raises as ``metagraph_to_bytes``."""
    model = meta_graph_pb2.SavedModel(saved_model_schema_version=_SCHEMA_VERSION)
    model.meta_graphs.extend(map(_metagraph, metas))
    return _serialized(model)


def _serialized(message: meta_graph_pb2.MetaGraphDef | meta_graph_pb2.SavedModel) -> bytes:
    try:
        return message.SerializeToString(deterministic=True)
    except EncodeError as error:
        raise TfgError(
            Status.RESOURCE_EXHAUSTED, "the model is larger than 2 GiB, the limit of binary files"
        ) from error


def _metagraph(meta: MetaGraph) -> meta_graph_pb2.MetaGraphDef:
    message = meta_graph_pb2.MetaGraphDef()
    message.meta_info_def.tags.extend(meta.tags)
    message.meta_info_def.tensorflow_version = meta.tensorflow_version
    with paused_gc():
        to_proto.fill_graph(message.graph_def, meta.graph)
    if meta.saver is not None:
        saver = meta.saver
        message.saver_def.filename_tensor_name = saver.filename_tensor
        message.saver_def.save_tensor_name = saver.save_tensor
        message.saver_def.restore_op_name = saver.restore_op
        message.saver_def.max_to_keep = saver.max_to_keep
        message.saver_def.sharded = saver.sharded
        message.saver_def.version = saver.version  # pyright: ignore[reportAttributeAccessIssue]
    for name, signature in meta.signatures.items():
        target = message.signature_def[name]
        target.method_name = signature.method_name
        for key, info in signature.inputs.items():
            _fill_tensor_info(target.inputs[key], info)
        for key, info in signature.outputs.items():
            _fill_tensor_info(target.outputs[key], info)
    for name, values in meta.collections.items():
        _fill_collection(message.collection_def[name], name, values)
    for tensor, file in meta.assets.items():
        message.asset_file_def.add(filename=file).tensor_info.name = tensor
    return message


def _fill_tensor_info(target: meta_graph_pb2.TensorInfo, info: TensorInfo) -> None:
    target.dtype = info.dtype.number  # pyright: ignore[reportAttributeAccessIssue]
    to_proto.fill_shape(target.tensor_shape, info.shape)
    if info.type_spec:
        target.composite_tensor.type_spec.MergeFromString(info.type_spec)
        for part in info.parts:
            _fill_tensor_info(target.composite_tensor.components.add(), part)
    elif info.parts:
        values, indices, dense_shape = info.parts
        target.coo_sparse.values_tensor_name = values.name
        target.coo_sparse.indices_tensor_name = indices.name
        target.coo_sparse.dense_shape_tensor_name = dense_shape.name
    else:
        target.name = info.name
        if info.shape is UNKNOWN:
            target.tensor_shape.unknown_rank = True


def _fill_collection(target: meta_graph_pb2.CollectionDef, name: str, values: Collection) -> None:
    if not values:
        return
    if name in _ANY_COLLECTIONS:
        for value in values:
            assert isinstance(value, bytes)
            target.any_list.value.add().MergeFromString(value)
    elif isinstance(values[0], str):
        target.node_list.value.extend(values)  # pyright: ignore[reportArgumentType]
    elif isinstance(values[0], bytes):
        target.bytes_list.value.extend(values)  # pyright: ignore[reportArgumentType]
    elif isinstance(values[0], int):
        target.int64_list.value.extend(values)  # pyright: ignore[reportArgumentType]
    else:
        target.float_list.value.extend(values)  # pyright: ignore[reportArgumentType]
