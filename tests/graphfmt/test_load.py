"""Files of every format, and the system's refusals."""

from __future__ import annotations

import io
import os
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from google.protobuf import text_format
from tfg.graphfmt import dtypes
from tfg.graphfmt.errors import Status, TfgError
from tfg.graphfmt.graph import Graph, Node
from tfg.graphfmt.load import load, load_metagraph, load_saved_model, read_graph_file, save
from tfg.graphfmt.metagraph import Saver, SignatureDef, TensorInfo
from tfg.graphfmt.proto import graph_pb2, meta_graph_pb2
from tfg.graphfmt.proto.binary import graph_to_bytes
from tfg.graphfmt.shapes import Shape
from tfg.graphfmt.text.writer import write_graph

GRAPH = Graph((Node("a", "NoOp"), Node("b", "NoOp", ("^a",))))


def meta_message(tag: str = "serve") -> meta_graph_pb2.MetaGraphDef:
    meta = meta_graph_pb2.MetaGraphDef()
    meta.meta_info_def.tags.append(tag)
    meta.meta_info_def.stripped_op_list.op.add(name="NoOp").attr.add(name="x").default_value.i = 3
    meta.graph_def.MergeFromString(graph_to_bytes(GRAPH))
    meta.saver_def.restore_op_name = "restore"
    meta.collection_def["names"].node_list.value.append("a")
    meta.collection_def["numbers"].int64_list.value.extend((1, 2))
    signature = meta.signature_def["serve"]
    signature.inputs["x"].name = "a:0"
    signature.inputs["x"].dtype = 1
    signature.inputs["x"].tensor_shape.dim.add(size=-1)
    meta.asset_file_def.add(filename="words.txt").tensor_info.name = "asset:0"
    return meta


def refused(path: Path | str) -> TfgError:
    with pytest.raises(TfgError) as caught:
        load(path)
    assert caught.value.location is not None
    return caught.value


@pytest.mark.parametrize("name", ["g.pbtxt", "g.txt", "g.pb", "g", "g.graph"])
def test_round_trip(tmp_path: Path, name: str) -> None:
    save(GRAPH, tmp_path / name)
    assert load(tmp_path / name) == load(str(tmp_path / name)) == GRAPH
    assert (tmp_path / name).read_bytes().startswith(b"node {") is (name != "g.pb")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_content_decides_where_the_name_does_not(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("\ufeff# only a comment\n" + write_graph(GRAPH), encoding="utf-8")
    (tmp_path / "binary").write_bytes(graph_to_bytes(GRAPH))
    (tmp_path / "meta").write_text(text_format.MessageToString(meta_message()))
    assert load(tmp_path / "text") == load(tmp_path / "binary") == load(tmp_path / "meta") == GRAPH


@pytest.mark.parametrize("name", ["g.pbtxt", "g.pb", "saved_model.pb", "x.meta", "x.h5", "x"])
def test_names_decide_nothing(tmp_path: Path, name: str) -> None:
    model = meta_graph_pb2.SavedModel(saved_model_schema_version=1, meta_graphs=[meta_message()])
    for message in (graph_pb2.GraphDef.FromString(graph_to_bytes(GRAPH)), meta_message(), model):
        for data in (message.SerializeToString(), text_format.MessageToString(message).encode()):
            (tmp_path / name).write_bytes(data)
            assert load(tmp_path / name) == GRAPH
            file = read_graph_file(tmp_path / name)
            assert (file.meta is None) is (message.DESCRIPTOR.name == "GraphDef")
            assert file.folder == (tmp_path if message.DESCRIPTOR.name == "SavedModel" else None)


def test_control_characters_within_strings_do_not_make_a_text_binary(tmp_path: Path) -> None:
    (tmp_path / "g").write_bytes(
        b"# x\nnode { name: 'a' op: 'Const' attr { key: 'value' value { s: '\x01' } } }"
    )
    assert load(tmp_path / "g")["a"].attrs["value"] == b"\x01"


def test_other_files_are_named(tmp_path: Path) -> None:
    rows = {
        "model.onnx": (b"\x08\x08\x12\x07pytorch\x1a\x032.1:\x06\x0a\x04\x22\x02Op", "an ONNX model"),
        "g.pb": (b"\x1f\x8b\x08\x00", "a gzip archive"),
        "e.pbtxt": (b"", "an empty file"),
        "w.h5": (b"\x89HDF\r\n\x1a\n....model_config", "a Keras model"),
        "m.index": (
            b"....." + bytes.fromhex("57fb808b247547db"),
            "a checkpoint of TensorFlow's, not a graph",
        ),
        "checkpoint": (b'model_checkpoint_path: "m"', "the list of a folder's checkpoints, not a graph"),
    }
    for name, (data, what) in rows.items():
        (tmp_path / name).write_bytes(data)
        error = refused(tmp_path / name)
        assert (error.status, error.message) == (Status.INVALID_ARGUMENT, f"{tmp_path / name} is {what}")
    assert refused(tmp_path / "m").message == f"{tmp_path / 'm'} is a checkpoint, not a graph"


def test_folders_that_are_no_models(tmp_path: Path) -> None:
    (tmp_path / "exports" / "1").mkdir(parents=True)
    (tmp_path / "exports" / "1" / "saved_model.pb").write_bytes(b"")
    assert refused(tmp_path / "exports").hint == f"did you mean {str(tmp_path / 'exports' / '1')!r}?"
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "manifest.json").write_text("{}")
    assert "tfg run runs them" in (refused(tmp_path / "parts").hint or "")


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(graph_to_bytes(GRAPH),))
    writer.start()
    assert load(tmp_path / "pipe") == GRAPH
    writer.join()


def test_standard_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", out)
    save(GRAPH, "-")
    for data in (out.buffer.getvalue(), graph_to_bytes(GRAPH)):  # type: ignore[attr-defined]
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
        assert load("-") == GRAPH
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"")))
    assert refused("-").message == "standard input is empty"


def test_refusals(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.pb").status is Status.NOT_FOUND
    assert refused(tmp_path).status is Status.NOT_FOUND
    assert refused("a\0b").status is Status.FAILED_PRECONDITION
    assert refused("x" * 5000).status is Status.FAILED_PRECONDITION
    (tmp_path / "g.pbtxt").write_bytes(b'node {\n  name: "\xc3\xa9\xff" }')
    assert str(refused(tmp_path / "g.pbtxt").location).endswith("g.pbtxt:2:11")
    (tmp_path / "g.pbtxt").write_bytes("node {}".encode("utf-16"))
    assert refused(tmp_path / "g.pbtxt").hint == "save it as UTF-8"
    (tmp_path / "g.pb").write_bytes(b"\x0a\x05\x0a\x01")
    assert refused(tmp_path / "g.pb").status is Status.DATA_LOSS


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs permissions that hold")
def test_permissions(tmp_path: Path) -> None:
    (tmp_path / "g.pb").write_bytes(b"")
    (tmp_path / "g.pb").chmod(0)
    assert refused(tmp_path / "g.pb").status is Status.PERMISSION_DENIED
    with pytest.raises(TfgError) as caught:
        save(GRAPH, tmp_path / "g.pb")
    assert caught.value.status is Status.PERMISSION_DENIED


def test_saving_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "g.pb"
    save(GRAPH, path)
    path.chmod(0o640)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(TfgError) as caught:
            save(Graph(), path)
        assert caught.value.status is Status.RESOURCE_EXHAUSTED
    assert load(path) == GRAPH and list(tmp_path.iterdir()) == [path]
    (tmp_path / "link.pb").symlink_to(path)
    save(Graph((Node("c", "NoOp"),)), tmp_path / "link.pb")
    assert list(load(path).index) == ["c"] and (tmp_path / "link.pb").is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640


def test_saving_into_nowhere(tmp_path: Path) -> None:
    for path, status in (
        (tmp_path / "no" / "g.pb", Status.NOT_FOUND),
        (tmp_path, Status.FAILED_PRECONDITION),
    ):
        with pytest.raises(TfgError) as caught:
            save(GRAPH, path)
        assert caught.value.status is status


def test_saved_models(tmp_path: Path) -> None:
    model = meta_graph_pb2.SavedModel(saved_model_schema_version=1)
    model.meta_graphs.extend([meta_message("train"), meta_message()])
    model.meta_graphs[1].graph_def.versions.producer = 5
    model.meta_graphs[1].object_graph_def.MergeFromString(b"\n\x01x")
    for name in ("binary", "text"):
        (tmp_path / name).mkdir()
    (tmp_path / "binary" / "saved_model.pb").write_bytes(model.SerializeToString())
    text = text_format.MessageToString(model, print_unknown_fields=False)
    text = text.replace("object_graph_def {", "object_graph_def { nodes { children < name: 'a}' > }")
    (tmp_path / "text" / "saved_model.pbtxt").write_text(text)
    binary, other = (
        load_saved_model(tmp_path / "binary"),
        load_saved_model(tmp_path / "text" / "saved_model.pbtxt"),
    )
    assert binary == other and [meta.tags for meta in binary] == [("train",), ("serve",)]
    assert load(tmp_path / "binary") == load(tmp_path / "text") == binary[1].graph
    assert binary[1].graph.versions.producer == 5
    where = load(tmp_path / "text").locate("b")
    assert where is not None and where.line > 1


def test_meta_graphs(tmp_path: Path) -> None:
    (tmp_path / "m.meta").write_bytes(meta_message().SerializeToString())
    (tmp_path / "t.meta").write_text(text_format.MessageToString(meta_message()))
    meta = load_metagraph(tmp_path / "m.meta")
    assert meta == load_metagraph(tmp_path / "t.meta")
    assert load(tmp_path / "m.meta") == load(tmp_path / "t.meta") == meta.graph == GRAPH
    assert meta.tags == ("serve",) and meta.assets == {"asset:0": "words.txt"}
    assert meta.saver == Saver("", "", "restore")
    assert meta.collections == {"names": ("a",), "numbers": (1, 2)}
    info = TensorInfo("a:0", dtypes.float32, Shape((None,)))
    assert meta.signatures == {"serve": SignatureDef({"x": info}, {})}
