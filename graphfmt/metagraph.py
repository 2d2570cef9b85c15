"""MetaGraphDefs: graphs with signatures, saver, collections and assets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from . import dtypes
from .errors import Location, TfgError
from .graph import Graph
from .proto import from_proto, meta_graph_pb2
from .proto.binary import parse_message
from .proto.unknown_fields import fill_message
from .shapes import UNKNOWN, Shape
from .text.reader import parse_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .dtypes import DType
    from .proto.builders import Tree
    from .text.source import SourceText

Collection = tuple[str, ...] | tuple[bytes, ...] | tuple[int, ...] | tuple[float, ...]


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor of a signature. A sparse or composite tensor has ``parts`` instead of a name.

    The parts of a sparse tensor are values, indices and dense shape; those of a composite one its components, whose
    ``type_spec`` is a serialized TypeSpecProto.
    """

    name: str
    dtype: DType = dtypes.INVALID
    shape: Shape = UNKNOWN
    parts: tuple[TensorInfo, ...] = ()
    type_spec: bytes = b""


@dataclass(frozen=True, slots=True)
class SignatureDef:
    """A SignatureDef: the tensors of a graph by the keys of inputs and outputs."""

    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    method_name: str = ""


@dataclass(frozen=True, slots=True)
class Saver:
    """A SaverDef: the nodes that save and restore variables."""

    filename_tensor: str
    save_tensor: str
    restore_op: str
    max_to_keep: int = 0
    sharded: bool = False
    version: int = 0


@dataclass(frozen=True)
class MetaGraph:
    """A MetaGraphDef. ``collections`` hold names, serialized messages or numbers; ``assets`` map tensors to files."""

    graph: Graph
    tags: tuple[str, ...] = ()
    signatures: Mapping[str, SignatureDef] = field(default_factory=dict[str, SignatureDef])
    saver: Saver | None = None
    collections: Mapping[str, Collection] = field(default_factory=dict[str, Collection])
    assets: Mapping[str, str] = field(default_factory=dict[str, str])
    tensorflow_version: str = ""


def metagraph_from_bytes(data: bytes, name: str) -> MetaGraph:
    """Returns the MetaGraph in a serialized MetaGraphDef. Raises DATA_LOSS or INVALID_ARGUMENT."""
    return _from_message(parse_message(meta_graph_pb2.MetaGraphDef(), data, name), None, name)


def metagraph_from_text(text: str, name: str) -> MetaGraph:
    """Returns the MetaGraph in a text. Raises INVALID_ARGUMENT with the location of the first fault."""
    tree, source = parse_text("MetaGraphDef", text, name)
    return _from_tree(tree, source, name)


def saved_model_from_bytes(data: bytes, name: str) -> list[MetaGraph]:
    """Returns the MetaGraphs of a serialized SavedModel. Raises DATA_LOSS or INVALID_ARGUMENT."""
    model = parse_message(meta_graph_pb2.SavedModel(), data, name)
    return [_from_message(meta, None, name) for meta in model.meta_graphs]


def saved_model_from_text(text: str, name: str) -> list[MetaGraph]:
    """Returns the MetaGraphs in a SavedModel's text. Raises INVALID_ARGUMENT with the location of the first fault."""
    tree, source = parse_text("SavedModel", text, name)
    return [_from_tree(meta, source, name) for meta in tree.get("meta_graphs", ())]


def _from_tree(tree: Tree, source: SourceText, name: str) -> MetaGraph:
    graph = tree.pop("graph_def", Graph())
    tree.pop("object_graph_def", None)
    message = meta_graph_pb2.MetaGraphDef()
    fill_message(message, tree)
    return _from_message(message, replace(graph, source=source), name)


def _from_message(meta: meta_graph_pb2.MetaGraphDef, graph: Graph | None, name: str) -> MetaGraph:
    try:
        return MetaGraph(
            from_proto.graph_of(meta.graph_def) if graph is None else graph,
            tuple(meta.meta_info_def.tags),
            {key: _signature(value) for key, value in meta.signature_def.items()},
            _saver(meta.saver_def) if meta.HasField("saver_def") else None,
            {key: _collection(value) for key, value in meta.collection_def.items()},
            {asset.tensor_info.name: asset.filename for asset in meta.asset_file_def},
            meta.meta_info_def.tensorflow_version,
        )
    except TfgError as error:
        raise error.at(None, Location(name)) from None


def _signature(message: meta_graph_pb2.SignatureDef) -> SignatureDef:
    return SignatureDef(
        {key: _tensor_info(value) for key, value in message.inputs.items()},
        {key: _tensor_info(value) for key, value in message.outputs.items()},
        message.method_name,
    )


def _tensor_info(message: meta_graph_pb2.TensorInfo) -> TensorInfo:
    parts: tuple[TensorInfo, ...] = ()
    type_spec = b""
    shape = from_proto.shape_of(message.tensor_shape) if message.HasField("tensor_shape") else UNKNOWN
    number = int(message.dtype)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    dtype = dtypes.of_number(number)
    if message.HasField("coo_sparse"):
        parts = _sparse_parts(message.coo_sparse, dtype, shape.rank)
    elif message.HasField("composite_tensor"):
        parts = tuple(map(_tensor_info, message.composite_tensor.components))
        type_spec = message.composite_tensor.type_spec.SerializeToString(deterministic=True)
    return TensorInfo(message.name, dtype, shape, parts, type_spec)


def _sparse_parts(
    sparse: meta_graph_pb2.TensorInfo.CooSparse, dtype: DType, rank: int | None
) -> tuple[TensorInfo, ...]:
    return (
        TensorInfo(sparse.values_tensor_name, dtype, Shape((None,))),
        TensorInfo(sparse.indices_tensor_name, dtypes.int64, Shape((None, rank))),
        TensorInfo(sparse.dense_shape_tensor_name, dtypes.int64, Shape((rank,))),
    )


def _saver(message: meta_graph_pb2.SaverDef) -> Saver:
    return Saver(
        message.filename_tensor_name,
        message.save_tensor_name,
        message.restore_op_name,
        message.max_to_keep,
        message.sharded,
        int(message.version),  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    )


def _collection(message: meta_graph_pb2.CollectionDef) -> Collection:
    kind = message.WhichOneof("kind")
    if kind is None:
        return ()
    values = getattr(message, kind).value
    if kind == "any_list":
        return tuple(value.SerializeToString(deterministic=True) for value in values)
    return tuple(values)
