"""Which variable takes which tensor of a checkpoint: names, renames, parts, and what does not fit."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tfg
from hypothesis import given
from hypothesis import strategies as st
from tfg.graphfmt.checkpoints.bundle.object_graph import OBJECT_GRAPH
from tfg.graphfmt.graph import Graph
from tfg.graphfmt.proto.trackable_pb2 import TrackableObjectGraph
from tfg.graphfmt.rename_rules import parse_rule, renamed_names
from tfg.graphfmt.shapes import Shape
from tfg.graphfmt.tensors import Array
from tfg.runtime.checkpointing.memory_reader import MemoryReader
from tfg.runtime.checkpointing.restoring import Match, match_tensors
from tfg.runtime.checkpointing.variables import graph_variables

from .checkpoints import Memory


def graph_of(**shapes: Any) -> Graph:
    """A graph of float variables by name and shape, ``__`` for a slash."""
    g = tfg.GraphBuilder()
    for name, shape in shapes.items():
        g.VarHandleOp(dtype="float", shape=shape, name=name.replace("__", "/"))
    return g.graph()


def floats(*shape: int) -> Array:
    return np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape)


def restored(graph: Graph, reader: Memory | MemoryReader, **options: Any) -> dict[str, Any]:
    """The values that the variables take, by name."""
    found = match_tensors(graph_variables(graph), reader, **options)
    return {v.name: source.read(reader, v.dtype).tolist() for v, source in found.taken.items()}


def refused(graph: Graph, reader: Memory, status: str, **options: Any) -> tfg.TfgError:
    with pytest.raises(tfg.TfgError) as caught:
        match_tensors(graph_variables(graph), reader, **options)
    assert caught.value.status == status
    return caught.value


def test_names_decide_and_nothing_is_read_before_it_is_asked_for() -> None:
    reader = Memory({"a": floats(2), "b/c": floats(3), "more": floats(1)})
    found = match_tensors(graph_variables(graph_of(b__c=[3], a=[2])), reader)
    assert [v.name for v in found.taken] == ["b/c", "a"]
    assert (found.missing, found.unused, reader.reads) == ([], ["more"], 0)


def test_a_shared_name_goes_before_the_nodes() -> None:
    g = tfg.GraphBuilder()
    g.VarHandleOp(dtype="float", shape=[2], name="node", shared_name="shared", container="box")
    g.VariableV2(dtype="float", shape=[2], name="other", shared_name="unknown")
    found = match_tensors(
        graph_variables(g.graph()), Memory({"node": floats(2), "shared": floats(2), "other": floats(2)})
    )
    assert {v.key: s.tensors for v, s in found.taken.items()} == {
        ("box", "Variable", "shared"): ("shared",),
        ("", "Variable", "unknown"): ("other",),
    }


def test_containers_are_told_apart() -> None:
    g = tfg.GraphBuilder()
    for container in ("", "box"):
        g.VarHandleOp(dtype="float", shape=[], name=f"w{container}", shared_name="w", container=container)
    found = match_tensors(graph_variables(g.graph()), Memory({"w": floats(), "box:w": floats()}))
    assert {v.container: s.tensors for v, s in found.taken.items()} == {"": ("w",), "box": ("box:w",)}


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 2))
def test_parts_make_the_whole_that_makes_the_parts(sizes: list[int], axis: int) -> None:
    shape = [2, 5, 3]
    shape[axis] = sum(sizes)
    whole = floats(*shape)
    pieces = np.split(whole, np.cumsum(sizes)[:-1], axis)
    parts = {f"w/part_{i}": piece for i, piece in enumerate(pieces)}
    graph = graph_of(**{name.replace("/", "__"): list(piece.shape) for name, piece in parts.items()})
    assert restored(graph, Memory({"w": whole})) == {name: piece.tolist() for name, piece in parts.items()}
    assert restored(graph_of(w=shape), Memory(parts)) == {"w": whole.tolist()}


def test_variables_of_functions_are_variables_too(tmp_path: Any) -> None:
    text = """library { function { signature { name: "f" } node_def { name: "v" op: "VarHandleOp"
      attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "shape" value { shape { } } }
      attr { key: "shared_name" value { s: "inner" } } } } }"""
    (tmp_path / "g.pbtxt").write_text(text)
    (variable,) = graph_variables(tfg.load(tmp_path / "g.pbtxt"))
    assert (variable.name, variable.node, variable.shape) == ("inner", "f/v", Shape(()))


def test_all_that_is_missing_or_ill_shaped_is_named_at_once(tmp_path: Any) -> None:
    tfg.save(graph_of(w=[2, 3], b=[3], c=[], d=[4]), tmp_path / "g.pbtxt")
    graph = tfg.load(tmp_path / "g.pbtxt")
    reader = Memory({"w": floats(3, 2), "b": np.zeros(3, np.int32), "c": floats()})
    error = refused(graph, reader, "INVALID_ARGUMENT")
    for part in ("float[3,2] for w (", "which is float[2,3]", "int32[3] for b", "no tensor for d ("):
        assert part in error.message
    assert error.node == "w"
    assert error.location is not None and error.location.line
    assert "'w'" not in refused(graph, Memory({}), "NOT_FOUND").message
    assert "w (" in refused(graph, Memory({}), "NOT_FOUND").message


def test_missing_variables_may_be_left_out() -> None:
    found = match_tensors(
        graph_variables(graph_of(a=[2], b=[])), Memory({"a": floats(2)}), allow_missing=True
    )
    assert [v.name for v in found.missing] == ["b"]
    refused(graph_of(a=[3]), Memory({"a": floats(2)}), "INVALID_ARGUMENT", allow_missing=True)


def test_only_some_variables() -> None:
    graph = graph_of(encoder__w=[2], decoder__w=[2])
    assert restored(graph, Memory({"encoder/w": floats(2)}), only=["encoder/*"]) == {"encoder/w": [0, 1]}
    error = refused(graph, Memory({}), "NOT_FOUND", only=["encode/*"])
    assert "no variable called 'encode/*'" in error.message


def test_what_was_kept_in_16_bits_is_widened() -> None:
    half = Memory({"a": floats(2).astype(ml_dtypes.bfloat16)})
    assert restored(graph_of(a=[2]), half) == {"a": [0, 1]}
    g = tfg.GraphBuilder()
    g.VarHandleOp(dtype="half", shape=[2], name="a")
    refused(g.graph(), Memory({"a": floats(2)}), "INVALID_ARGUMENT")
    refused(g.graph(), half, "INVALID_ARGUMENT")


def test_unknown_shapes_take_any() -> None:
    assert restored(graph_of(a=None, b=[None, 2]), Memory({"a": floats(1), "b": floats(1, 2)})) == {
        "a": [0],
        "b": [[0, 1]],
    }


# Renaming.


def rules(*texts: str) -> Any:
    return [parse_rule(text) for text in texts]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("a=b", {"a": "b"}),
        ("old/*=new/*", {"old/w": "new/w", "old/deep/w": "new/deep/w"}),
        ("*/w=*/kernel", {"old/w": "old/kernel", "old/deep/w": "old/deep/kernel"}),
        ("*/deep/*=*/flat/*", {"old/deep/w": "old/flat/w"}),
        ("*=m/*", {"a": "m/a", "old/w": "m/old/w", "old/deep/w": "m/old/deep/w"}),
    ],
)
def test_rules_for_names(rule: str, expected: dict[str, str]) -> None:
    assert renamed_names(["a", "old/w", "old/deep/w"], rules(rule)) == expected


def test_the_first_rule_that_fits_is_taken() -> None:
    assert renamed_names(["s/a", "s/b"], rules("s/a=x", "s/*=t/*")) == {"s/a": "x", "s/b": "t/b"}


@pytest.mark.parametrize("text", ["", "a", "=a", "a=", "a=b=c", "a/*=b", "a=b/*"])
def test_rules_that_are_none(text: str) -> None:
    with pytest.raises(tfg.TfgError, match="INVALID_ARGUMENT"):
        parse_rule(text)


def test_rules_that_fit_nothing_or_too_much() -> None:
    with pytest.raises(tfg.TfgError, match="NOT_FOUND") as caught:
        renamed_names(["old/w"], rules("old=new"))
    assert caught.value.hint == "for all that lies in it: --rename 'old/*=new/*'"
    with pytest.raises(tfg.TfgError, match="'a' and 'b' would both be renamed to 'c'"):
        renamed_names(["a", "b"], rules("a=c", "b=c"))


def test_averages_take_the_place_of_weights() -> None:
    reader = Memory({"w": floats(2), "w/ExponentialMovingAverage": floats(2) + 1})
    found = restored(graph_of(w=[2]), reader, rename=rules("*/ExponentialMovingAverage=*"))
    assert found == {"w": [1, 2]}


def test_a_renamed_tensor_is_no_longer_under_its_old_name() -> None:
    graph, reader = graph_of(a=[2], b=[2]), Memory({"a": floats(2), "b": floats(2) + 5})
    assert restored(graph, reader, rename=rules("a=b", "b=a")) == {"a": [5, 6], "b": [0, 1]}
    refused(graph, reader, "NOT_FOUND", rename=rules("a=b"))


@pytest.mark.parametrize(
    ("graph", "tensors", "hint"),
    [
        (graph_of(w=[2]), ["model/w"], "--rename 'model/*=*' leaves out the scope in front"),
        (graph_of(model__w=[2]), ["w"], "--rename '*=model/*' puts the scope in front"),
        (graph_of(kernel=[2]), ["kernel_"], "did you mean --rename 'kernel_=kernel'?"),
        (graph_of(w=[2]), [], "--allow-missing leaves variables without a value to the initialiser"),
    ],
)
def test_hints(graph: Graph, tensors: list[str], hint: str) -> None:
    assert refused(graph, Memory({name: floats(2) for name in tensors}), "NOT_FOUND").hint == hint


# Parts.


def partitioned(**more: Any) -> Graph:
    return graph_of(w__part_0=[4, 2], w__part_1=[3, 2], w__part_2=[3, 2], **more)


def test_parts_of_a_whole() -> None:
    found = restored(partitioned(), Memory({"w": floats(10, 2)}))
    assert [row for rows in found.values() for row in rows] == floats(10, 2).tolist()
    columns = graph_of(v__part_0__Adam=[2, 1], v__part_1__Adam=[2, 3])
    assert restored(columns, Memory({"v/Adam": floats(2, 4)})) == {
        "v/part_0/Adam": [[0], [4]],
        "v/part_1/Adam": [[1, 2, 3], [5, 6, 7]],
    }


def test_a_whole_of_parts() -> None:
    parts = Memory({"w/part_1": floats(3, 2), "w/part_0": floats(4, 2)})
    assert restored(graph_of(w=[7, 2]), parts) == {"w": [*floats(4, 2).tolist(), *floats(3, 2).tolist()]}
    refused(graph_of(w=[8, 2]), parts, "NOT_FOUND")
    # Which way round these go is for nobody to guess.
    squares = Memory({"w/part_0": floats(2, 2), "w/part_1": floats(2, 2)})
    refused(graph_of(w=None), squares, "NOT_FOUND")


def test_parts_that_make_no_whole_are_missing() -> None:
    refused(partitioned(), Memory({"w": floats(11, 2)}), "NOT_FOUND")
    refused(graph_of(w__part_0=[4, 2], w__part_2=[3, 2]), Memory({"w": floats(7, 2)}), "NOT_FOUND")


def restoring_graph(specs: list[bytes], by_handle: bool) -> Graph:
    """Two variables ``a`` and ``b`` that the graph's own nodes restore as tensors ``x`` and ``y``."""
    g = tfg.GraphBuilder()
    out = g.RestoreV2(g.constant("file"), ["x", "y"], np.array(specs, object), dtypes=["float", "float"])
    for name, value in zip("ab", out):
        if by_handle:
            g.AssignVariableOp(g.VarHandleOp(dtype="float", shape=[2], name=name), g.Identity(value))
        else:
            g.Assign(g.VariableV2(dtype="float", shape=[2], name=name), value)
    return g.graph()


@pytest.mark.parametrize("by_handle", [False, True])
def test_the_graphs_own_restore_nodes_know_better(by_handle: bool) -> None:
    graph = restoring_graph([b"", b"6 2,2"], by_handle)
    assert restored(graph, Memory({"x": floats(2), "y": floats(6)})) == {"a": [0, 1], "b": [2, 3]}
    refused(graph, Memory({"x": floats(2), "y": floats(7)}), "INVALID_ARGUMENT")


def test_a_sessions_own_state_goes_by_names() -> None:
    graph = restoring_graph([b"", b""], True)
    crossed = {"a": floats(2), "b": floats(2) + 5, "x": floats(2) + 7, "y": floats(2) + 9}
    assert restored(graph, Memory(crossed)) == {"a": [7, 8], "b": [9, 10]}
    assert restored(graph, MemoryReader(crossed, "state")) == {"a": [0, 1], "b": [5, 6]}


# Checkpoints by objects.


def objects(**names: str) -> Memory:
    graph = TrackableObjectGraph()
    for key, name in names.items():
        graph.nodes.add().attributes.add(checkpoint_key=f"{key}/.ATTRIBUTES/VARIABLE_VALUE", full_name=name)
    arrays: dict[str, Any] = {
        f"{key}/.ATTRIBUTES/VARIABLE_VALUE": floats(2) + i for i, key in enumerate(names)
    }
    return Memory({**arrays, OBJECT_GRAPH: np.array(graph.SerializeToString(), object)})


def test_objects_know_the_names_of_their_variables() -> None:
    found: Match = match_tensors(graph_variables(graph_of(dense__w=[2])), objects(layer="dense/w", count="n"))
    assert [s.tensors for s in found.taken.values()] == [("layer/.ATTRIBUTES/VARIABLE_VALUE",)]
    assert found.unused == ["count/.ATTRIBUTES/VARIABLE_VALUE"]
    assert restored(graph_of(new__w=[2]), objects(layer="dense/w"), rename=rules("dense/*=new/*"))


def test_a_name_that_objects_share_says_nothing() -> None:
    refused(graph_of(kernel=[2]), objects(one="kernel", two="kernel"), "NOT_FOUND")


def test_a_description_of_objects_that_is_none() -> None:
    broken = Memory({OBJECT_GRAPH: np.array(b"\xff\xff", object)})
    refused(graph_of(w=[2]), broken, "DATA_LOSS")
    refused(graph_of(w=[2]), Memory({OBJECT_GRAPH: floats(2)}), "DATA_LOSS")
