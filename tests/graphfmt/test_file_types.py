"""Files are recognised by their content."""

from __future__ import annotations

import gzip
import io
import zipfile
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tfg.graphfmt.file_types import FileType, Message, recognize
from tfg.graphfmt.proto import graph_pb2, meta_graph_pb2


def graph() -> Any:
    made = graph_pb2.GraphDef()
    made.node.add(name="x", op="Placeholder")
    made.node.add(name="y", op="Neg", input=["x"])
    made.versions.producer = 1087
    return made


def meta(**fields: Any) -> Any:
    made = meta_graph_pb2.MetaGraphDef(**fields)
    made.graph_def.CopyFrom(graph())
    return made


def with_library_only() -> Any:
    made = graph_pb2.GraphDef()
    made.library.function.add().signature.name = "f"
    return made


def tagged() -> Any:
    made = meta()
    made.meta_info_def.tags.append("serve")
    made.meta_info_def.stripped_op_list.op.add().name = "Neg"
    return made


def saved_model() -> Any:
    made = meta_graph_pb2.SavedModel(saved_model_schema_version=1)
    made.meta_graphs.add().CopyFrom(tagged())
    return made


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (graph(), Message.GRAPH),
        (with_library_only(), Message.GRAPH),
        (graph_pb2.GraphDef(node=[graph_pb2.NodeDef(name="a", op="NoOp")]), Message.GRAPH),
        (meta(), Message.META_GRAPH),
        (tagged(), Message.META_GRAPH),
        (saved_model(), Message.SAVED_MODEL),
    ],
)
def test_binary_messages_are_told_apart(message: Any, expected: Message) -> None:
    assert recognize(message.SerializeToString()) == FileType(expected, is_text=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("node { name: 'a' op: 'NoOp' }", Message.GRAPH),
        ("# a comment\n\n  library { }", Message.GRAPH),
        ("meta_info_def { }", Message.META_GRAPH),
        ("graph_def { }", Message.META_GRAPH),
        ("saved_model_schema_version: 1", Message.SAVED_MODEL),
        ("nonsense", Message.GRAPH),
    ],
)
def test_texts_are_told_apart_by_their_first_field(text: str, expected: Message) -> None:
    assert recognize(text.encode()) == FileType(expected, is_text=True)


def hdf5(**attributes: str) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs.update(attributes)
    return buffer.getvalue()


def archive(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(name, "{}")
    return buffer.getvalue()


def npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(2))
    return buffer.getvalue()


ONNX = b"\x08\x08\x12\x07pytorch\x1a\x032.1:\x06\x0a\x04\x22\x02Op\x42\x04\x0a\x00\x10\x11"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "an empty file"),
        (b" \n\n", "a file of blanks only"),
        (ONNX, "an ONNX model"),
        (b"ir_version: 8\nproducer_name: 'x'", "an ONNX model"),
        (hdf5(model_config="{}", keras_version="2"), "a Keras model"),
        (hdf5(keras_version="2"), "a file of Keras weights, which holds no graph"),
        (hdf5(), "an HDF5 file"),
        (archive("metadata.json", "config.json", "model.weights.h5"), "a Keras model"),
        (archive("archive/data.pkl"), "a PyTorch model"),
        (archive("readme"), "a zip archive"),
        (b"\x1c\x00\x00\x00TFL3\x14\x00", "a TensorFlow Lite model"),
        (b'{"format": "graph-model", "modelTopology": {}}', "a TensorFlow.js model"),
        (
            b'{"class_name": "Sequential", "config": {}}',
            "the JSON configuration of a Keras model, which holds no graph",
        ),
        (b'{"a": 1}', "a JSON file"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            "a Git LFS pointer, not the file itself",
        ),
        (gzip.compress(b"node {}", mtime=0), "a gzip archive"),
        (b"\n<!DOCTYPE html>\n<html>", "an HTML page, not the file itself"),
        (npy(), "a NumPy array"),
    ],
)
def test_other_formats_are_named(data: bytes, name: str) -> None:
    foreign = recognize(data).foreign
    assert foreign is not None and foreign.name == name


@given(st.binary(max_size=300))
def test_any_bytes_are_recognized_as_something(data: bytes) -> None:
    assert isinstance(recognize(data), FileType)


@given(st.integers(20, 60))
def test_a_graph_cut_short_after_its_first_node_is_still_a_graph(size: int) -> None:
    data = graph().SerializeToString()[:size]
    assert recognize(data).message is Message.GRAPH
