"""A SavedModel as TensorFlow would write it, made without TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tfg
from tfg.graphfmt.checkpoints.entries import StoredTensor
from tfg.graphfmt.checkpoints.open import write_checkpoint
from tfg.graphfmt.proto import graph_pb2, meta_graph_pb2
from tfg.graphfmt.proto.binary import graph_to_bytes

W = np.array([2, 3], np.float32)


def graph() -> tfg.Graph:
    """``y = x * w``, ``z = -x``; ``label`` is what ``setup`` put there: the path of an asset. ``copy`` is
    restored and ``w`` is what it was made from, as Keras has it."""
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 2], name="x")
    w = g.VarHandleOp(dtype="float", shape=[2], shared_name="w", name="w")
    copy = g.VarHandleOp(dtype="float", shape=[2], shared_name="copy", name="copy")
    g.AssignVariableOp(copy, g.ReadVariableOp(w, dtype="float"), name="copy/assign")
    g.Mul(x, g.ReadVariableOp(w, dtype="float"), name="y")
    g.Neg(x, name="z")
    file = g.placeholder("string", [], name="file")
    (value,) = g.RestoreV2(file, ["kept/copy"], [""], dtypes=["float"])
    g.AssignVariableOp(copy, value, name="restore")
    g.SaveV2(file, ["kept/copy"], [""], [g.ReadVariableOp(copy, dtype="float")], name="save")
    label = g.VarHandleOp(dtype="string", shape=[], shared_name="label", name="label")
    asset = g.constant("", name="asset")
    g.AssignVariableOp(label, asset, name="setup")
    g.ReadVariableOp(label, dtype="string", name="label/read")
    return g.graph()


def meta_graph(**signatures: tuple[str, str]) -> Any:
    """A MetaGraphDef with signatures that take ``in`` and give ``out`` of these tensors."""
    meta = meta_graph_pb2.MetaGraphDef()
    meta.meta_info_def.tags.append("serve")
    meta.graph_def.CopyFrom(graph_pb2.GraphDef.FromString(graph_to_bytes(graph())))
    for name, (given, found) in signatures.items():
        meta.signature_def[name].method_name = "predict"
        for info, tensor in (
            (meta.signature_def[name].inputs["in"], given),
            (meta.signature_def[name].outputs["out"], found),
        ):
            info.name, info.dtype = tensor, 1
            info.tensor_shape.dim.add(size=-1)
            info.tensor_shape.dim.add(size=2)
    saver = meta.saver_def
    saver.filename_tensor_name, saver.restore_op_name, saver.save_tensor_name = "file:0", "restore", "save"
    meta.asset_file_def.add(filename="words.txt").tensor_info.name = "asset:0"
    meta.collection_def["saved_model_main_op"].node_list.value.append("setup")
    return meta


def saved_model(folder: Path, meta: Any = None) -> Path:
    """The folder of a SavedModel with signatures ``scale`` and ``negate``."""
    if meta is None:
        meta = meta_graph(scale=("x:0", "y:0"), negate=("x:0", "z:0"))
    (folder / "variables").mkdir(parents=True)
    made = meta_graph_pb2.SavedModel(saved_model_schema_version=1, meta_graphs=[meta])
    (folder / "saved_model.pb").write_bytes(made.SerializeToString())
    write_checkpoint(folder / "variables" / "variables", [StoredTensor("kept/copy", W)])
    return folder
