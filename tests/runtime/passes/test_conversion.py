"""Converted graphs: another extent, other names, another form."""

from __future__ import annotations

import numpy as np
import pytest
import tfg
from tfg.graphfmt.errors import TfgError
from tfg.graphfmt.shapes import Shape
from tfg.graphfmt.text.reader import read_graph
from tfg.runtime.execution.session import Session
from tfg.runtime.passes.conversion.extraction import extract
from tfg.runtime.passes.conversion.function_inlining import inline_functions
from tfg.runtime.passes.conversion.node_attributes import clear_devices, fix_batch_size
from tfg.runtime.passes.conversion.node_renaming import new_node_names, rename_nodes
from tfg.runtime.passes.conversion.stripping import strip
from tfg.runtime.passes.optimizers.minimize import minimize
from tfg.runtime.passes.optimizers.optimizer import parse_optimizer

X = np.array([[1.0, -2.0]], np.float32)


def model() -> tfg.GraphBuilder:
    """x → hidden → y, with a loss that is minimized, and a summary, a print and an assertion on the way."""
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 2], name="x")
    w = g.VariableV2(shape=[2, 2], dtype="float", name="w")
    g.Assign(w, np.eye(2, dtype=np.float32), name="w/init")
    with g.control_dependencies([g.Assert(g.constant(True), [x], name="check")]):
        hidden = g.Relu(g.Identity(x), name="hidden")
    printed = g.CheckNumerics(hidden, message="hidden", name="checked")
    y = g.MatMul(printed, g.Identity(w), name="y")
    g.ScalarSummary("loss", g.Mean(g.Square(y), [0, 1], name="loss"), name="summary")
    return g


def trained() -> tfg.Graph:
    return minimize(model().graph(), "loss", parse_optimizer("momentum:learning_rate=0.1"), None)


# Extraction.


def test_the_part_between_inputs_and_outputs_runs_by_itself() -> None:
    part = extract(trained(), ["hidden"], ["y"])
    assert part["hidden"].op == "Placeholder"
    assert part["hidden"].attrs["shape"] == Shape((None, 2))
    assert "x" not in part
    session = Session(part)
    assert session.run(["y"], {"hidden": X, "w": np.eye(2, dtype=np.float32)})[0].tolist() == [[1.0, -2.0]]


def test_a_second_output_becomes_a_placeholder_with_its_port_in_the_name() -> None:
    g = tfg.GraphBuilder()
    values, indices = g.TopKV2(g.placeholder("float", [4], name="x"), 2, name="top")
    g.Mul(values, g.Cast(indices, DstT="float"), name="y")
    part = extract(g.graph(), ["top:1"], ["y"])
    assert part["top_1"].op == "Placeholder"
    feeds = {"x": np.array([1.0, 4, 2, 3], np.float32), "top_1": np.array([2, 3], np.int32)}
    assert Session(part).run(["y"], feeds)[0].tolist() == [8.0, 9.0]


def test_functions_that_are_not_called_any_more_are_left_behind() -> None:
    graph = calls()
    assert extract(graph, [], ["x"]).functions == ()
    assert {f.name for f in extract(graph, [], ["y"]).functions} == {f.name for f in graph.functions}


def test_unknown_names_are_refused() -> None:
    with pytest.raises(TfgError, match="NOT_FOUND"):
        extract(trained(), ["nope"], ["y"])


# Names.


def test_renamed_nodes_compute_the_same_and_variables_keep_their_names_in_checkpoints() -> None:
    graph = model().graph()
    names = new_node_names(graph, [("*", "net/*")])
    renamed = rename_nodes(graph, names)
    assert renamed["net/w"].attrs["shared_name"] == b"w"
    session = Session(renamed)
    session.run(targets=["net/w/init"])
    assert session.run(["net/y"], {"net/x": X})[0].tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize(
    ("rule", "words"),
    [(("nope", "x"), "has no node"), (("y", "x"), "already"), (("y", "a b"), "no node name")],
)
def test_names_that_cannot_be(rule: tuple[str, str], words: str) -> None:
    with pytest.raises(TfgError, match=words):
        new_node_names(model().graph(), [rule])


# Stripping.


def test_without_training_the_model_is_what_it_was() -> None:
    stripped = strip(trained(), "training", [])
    assert set(stripped.index) == {node.name for node in model().graph().nodes} | {"init"}
    kept = strip(trained(), "training", ["y"])
    assert "loss" not in kept
    assert "w" in kept


def test_without_asserts_and_debugging() -> None:
    graph = strip(model().graph(), "asserts", [])
    assert "check" not in graph
    assert graph["hidden"].inputs == ("Identity",)
    graph = strip(model().graph(), "debug", [])
    assert graph["checked"].op == "Identity"
    assert "summary" not in graph
    assert "loss" in graph


# Shapes and devices.


def test_a_batch_size_is_fixed() -> None:
    fixed = fix_batch_size(model().graph(), 8)
    assert fixed["x"].attrs["shape"] == Shape((8, 2))
    with pytest.raises(TfgError, match="unknown"):
        fix_batch_size(fixed, 8)


def test_devices_are_cleared_in_functions_too() -> None:
    g = tfg.GraphBuilder()
    with g.device("/device:GPU:0"):
        g.placeholder("float", [], name="x")
    assert clear_devices(g.graph())["x"].device == ""


# Functions.


def calls() -> tfg.Graph:
    return read_graph(CALLS, "calls.pbtxt")


CALLS = """
node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
node { name: "y" op: "PartitionedCall" input: "x" input: "x"
  attr { key: "Tin" value { list { type: DT_FLOAT type: DT_FLOAT } } }
  attr { key: "Tout" value { list { type: DT_FLOAT type: DT_FLOAT } } }
  attr { key: "f" value { func { name: "outer" } } } }
node { name: "z" op: "AddV2" input: "y" input: "y:1" attr { key: "T" value { type: DT_FLOAT } } }
library {
  function {
    signature { name: "outer" input_arg { name: "a" type: DT_FLOAT } input_arg { name: "b" type: DT_FLOAT }
      output_arg { name: "p" type: DT_FLOAT } output_arg { name: "q" type: DT_FLOAT } }
    node_def { name: "s" op: "Mul" input: "a" input: "a" attr { key: "T" value { type: DT_FLOAT } } }
    node_def { name: "c" op: "inner" input: "s:z:0" }
    ret { key: "p" value: "c:r:0" } ret { key: "q" value: "b" }
  }
  function {
    signature { name: "inner" input_arg { name: "v" type: DT_FLOAT } output_arg { name: "r" type: DT_FLOAT } }
    node_def { name: "n" op: "Neg" input: "v" attr { key: "T" value { type: DT_FLOAT } } }
    ret { key: "r" value: "n:y:0" }
  }
}
"""


def test_calls_within_calls_are_inlined_under_their_names() -> None:
    inlined = inline_functions(calls())
    assert inlined.functions == ()
    assert {"y/s", "y/c/n", "y", "z"} <= set(inlined.index)
    feeds = {"x": np.float32(3)}
    names = ["y", "y:1", "z"]
    assert [float(v) for v in Session(inlined).run(names, feeds)] == [-9.0, 3.0, -6.0]
    assert [float(v) for v in Session(calls()).run(names, feeds)] == [-9.0, 3.0, -6.0]
