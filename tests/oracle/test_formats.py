"""Messages, texts and tensors against TensorFlow's own."""

from __future__ import annotations

import os
from random import Random
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow")

# ruff: noqa: E402
from google.protobuf import text_format
from tfg.graphfmt.dtypes import BY_NUMBER, DTYPES
from tfg.graphfmt.errors import TfgError
from tfg.graphfmt.proto import (
    checkpoint_pb2,
    debug_info_pb2,
    event_pb2,
    graph_pb2,
    meta_graph_pb2,
    step_stats_pb2,
    tensor_pb2,
)
from tfg.graphfmt.proto.binary import graph_from_bytes, graph_to_bytes
from tfg.graphfmt.proto.from_proto import tensor_of
from tfg.graphfmt.proto.to_proto import fill_tensor
from tfg.graphfmt.tensors import FIELD_OF, from_array
from tfg.graphfmt.text.reader import read_graph
from tfg.graphfmt.text.writer import write_graph

from tests.graphfmt.messages import random_graph

MODULES = (checkpoint_pb2, debug_info_pb2, tensor_pb2, graph_pb2, meta_graph_pb2, step_stats_pb2, event_pb2)
_HOMES = (
    *(
        "allocation_description",
        "attr_value",
        "cost_graph",
        "full_type",
        "function",
        "graph",
        "graph_debug_info",
    ),
    *("node_def", "op_def", "resource_handle", "step_stats", "summary", "tensor", "tensor_description"),
    *("tensor_shape", "tensor_slice", "types", "versions"),
)
_OTHER_HOMES = (
    "protobuf.config",
    "protobuf.meta_graph",
    "protobuf.saved_model",
    "protobuf.saver",
    "protobuf.struct",
    "protobuf.tensor_bundle",
    "util.saved_tensor_slice",
)


def _theirs(name: str) -> Any:
    """TensorFlow's descriptor of a message or enum."""
    import importlib

    if name == "HistogramProto":
        return importlib.import_module("tensorflow.core.framework.summary_pb2").HistogramProto.DESCRIPTOR
    for home in (*(f"framework.{home}" for home in _HOMES), *_OTHER_HOMES, "util.event"):
        module = importlib.import_module(f"tensorflow.core.{home}_pb2")
        found = module.DESCRIPTOR.message_types_by_name.get(name) or module.DESCRIPTOR.enum_types_by_name.get(
            name
        )
        if found is not None:
            return found
    raise LookupError(name)


def _field(field: Any) -> tuple[Any, ...]:
    kind = field.message_type or field.enum_type
    packed = field.type not in (9, 11, 12) and field.is_repeated and field.is_packed
    return (
        *(field.name, field.number, field.type, field.is_repeated, field.has_presence, packed),
        kind.full_name.removeprefix("tfg.").removeprefix("tensorflow.") if kind else "",
        field.containing_oneof.name if field.containing_oneof else "",
        bool(field.message_type and field.message_type.GetOptions().map_entry),
    )


def _assert_same_message(ours: Any, theirs: Any) -> None:
    if ours.name == "SavedObjectGraph":
        return
    assert [_field(f) for f in ours.fields] == [_field(f) for f in theirs.fields], ours.full_name
    assert set(ours.nested_types_by_name) == set(theirs.nested_types_by_name)
    for name, nested in ours.nested_types_by_name.items():
        _assert_same_message(nested, theirs.nested_types_by_name[name])
    for name, enum in ours.enum_types_by_name.items():
        _assert_same_enum(enum, theirs.enum_types_by_name[name])


def _assert_same_enum(ours: Any, theirs: Any) -> None:
    assert [(v.name, v.number) for v in ours.values] == [(v.name, v.number) for v in theirs.values], (
        ours.full_name
    )


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__.rpartition(".")[2])
def test_messages_are_tensorflows(module: Any) -> None:
    for name, message in module.DESCRIPTOR.message_types_by_name.items():
        if name != "SavedObjectGraph":
            _assert_same_message(message, _theirs(name))
    for name, enum in module.DESCRIPTOR.enum_types_by_name.items():
        _assert_same_enum(enum, _theirs(name))


def test_dtypes_are_the_enum() -> None:
    names = {v.number: v.name for v in _theirs("DataType").values if v.number}
    assert {number: dtype.enum_name for number, dtype in BY_NUMBER.items()} == names


@pytest.mark.parametrize("seed", range(40))
def test_tensorflow_reads_what_we_write(seed: int) -> None:
    message = random_graph(Random(seed))
    data = message.SerializeToString(deterministic=True)
    graph = graph_from_bytes(data, "x")
    theirs = text_format.Parse(write_graph(graph), tf.compat.v1.GraphDef())
    assert text_format.MessageToString(theirs) == text_format.MessageToString(message)
    assert read_graph(text_format.MessageToString(theirs), "x") == graph
    assert tf.compat.v1.GraphDef.FromString(graph_to_bytes(graph)).SerializeToString(deterministic=True) == (
        theirs.SerializeToString(deterministic=True)
    )


def test_a_graph_that_tensorflow_made() -> None:
    @tf.function
    def step(x: Any) -> Any:
        total = tf.constant(0.0)
        for row in x:
            total += tf.nn.relu(tf.reduce_sum(row))
        return total

    theirs = step.get_concrete_function(tf.TensorSpec([None, 3])).graph.as_graph_def(add_shapes=True)
    graph = graph_from_bytes(theirs.SerializeToString(), "x")
    assert read_graph(text_format.MessageToString(theirs), "x") == graph
    assert text_format.Parse(write_graph(graph), tf.compat.v1.GraphDef()) == theirs
    assert tf.compat.v1.GraphDef.FromString(graph_to_bytes(graph)) == theirs


# Tensors


def _tensor(number: int, shape: tuple[int, ...], **fields: Any) -> tensor_pb2.TensorProto:
    dims = tensor_pb2.TensorShapeProto(dim=[tensor_pb2.TensorShapeProto.Dim(size=d) for d in shape])
    return tensor_pb2.TensorProto(dtype=number, tensor_shape=dims, **fields)


def _values_of(name: str) -> Any:
    if name == "float8_val":
        return b"\x01\x32\x03"
    if name == "string_val":
        return [b"a", b"", b"\xff\x00"]
    if name in ("scomplex_val", "dcomplex_val"):
        return [1.5, -2.0, 0.0, 3.0, 7.0, 8.0]
    if name == "bool_val":
        return [True, False, True]
    if name == "half_val":
        return [0x3C00, 0x8000, 0x7C00]
    return [1, 3, 2] if name.startswith("uint") else [1, -2, 3]


def _cases() -> list[Any]:
    cases: list[Any] = []
    for dtype in DTYPES:
        field = FIELD_OF.get(dtype.name)
        if field is None or dtype.name in ("resource", "variant"):
            continue
        values, number = _values_of(field), dtype.number
        width = 2 if dtype.is_complex else 1
        cases += [
            pytest.param(_tensor(number, (3,), **{field: values}), id=f"{dtype}-full"),
            pytest.param(_tensor(number, (2, 3), **{field: values}), id=f"{dtype}-last-repeats"),
            pytest.param(_tensor(number, (2, 2), **{field: values[:width]}), id=f"{dtype}-one"),
            pytest.param(_tensor(number, (), **{field: values[:width]}), id=f"{dtype}-scalar"),
            pytest.param(_tensor(number, (2,)), id=f"{dtype}-none"),
            pytest.param(_tensor(number, (0, 3)), id=f"{dtype}-empty"),
        ]
        if dtype.name != "string":
            content = bytes([1, 0] * dtype.size)
            cases.append(pytest.param(_tensor(number, (2,), tensor_content=content), id=f"{dtype}-content"))
    return [
        *cases,
        _tensor(7, (2,), tensor_content=b"\x01\x03abcd"),
        _tensor(7, (1,), tensor_content=b"\xc8\x01" + b"x" * 200),
        _tensor(4, (2,), int_val=[300, -1]),
        _tensor(11, (2,), int_val=[300, -1]),
        _tensor(29, (3,), int_val=[7, -8, 9]),
        _tensor(30, (2,), int_val=[15, 17]),
        _tensor(29, (2,), tensor_content=b"\x07\x0f"),
        _tensor(23, (1,), uint64_val=[2**64 - 1]),
    ]


def _const(message: tensor_pb2.TensorProto) -> Any:
    """What TensorFlow's Const makes of it."""
    graph_def = tf.compat.v1.GraphDef()
    node = graph_def.node.add(name="c", op="Const")
    node.attr["dtype"].type = message.dtype
    node.attr["value"].tensor.MergeFromString(message.SerializeToString())
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(graph_def, name="")
    with tf.compat.v1.Session(graph=graph) as session:
        return session.run("c:0")


@pytest.mark.parametrize("message", _cases())
def test_tensors_are_decoded_as_const_does(message: tensor_pb2.TensorProto) -> None:
    found = tensor_of(message).array()
    expected = np.asarray(_const(message), object if found.dtype == object else None)
    assert found.shape == expected.shape and found.dtype.name == expected.dtype.name
    if found.dtype == object:
        assert found.tolist() == expected.tolist()
    elif "int" in found.dtype.name:
        # Small integers fill a byte each, and the unused bits of it are free.
        assert found.astype(object).tolist() == expected.astype(object).tolist()
    else:
        assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d.name in FIELD_OF and not d.is_opaque], ids=str)
@pytest.mark.parametrize("elements", [[0, 1, 1], [1, 1, 1], [1], []])
def test_const_reads_the_tensors_we_make(dtype: Any, elements: list[int]) -> None:
    array = np.array(elements).astype(dtype.numpy)
    message = tensor_pb2.TensorProto()
    fill_tensor(message, from_array(array, dtype))
    assert np.asarray(_const(message)).tobytes() == array.tobytes()
    assert tensor_of(message).array().tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "message",
    [
        _tensor(1, (2,), tensor_content=b"\0" * 7),
        _tensor(7, (2,), tensor_content=b"\x01\x03abc"),
        _tensor(10, (2,), tensor_content=b"\x02\x00"),
        _tensor(101, (1,), float_val=[1]),
        _tensor(0, (1,), float_val=[1]),
        _tensor(1, (-1,), float_val=[1]),
        _tensor(1, (2**40, 2**40), float_val=[1]),
    ],
)
def test_what_const_refuses_we_refuse(message: tensor_pb2.TensorProto) -> None:
    with pytest.raises((ValueError, TypeError, tf.errors.InvalidArgumentError)):
        _const(message)
    with pytest.raises(TfgError):
        tensor_of(message).array()
