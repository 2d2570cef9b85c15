"""Freezing: what computes the same without state, and what cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt.attributes import Function
from tfg.graphfmt.errors import Status, TfgError
from tfg.graphfmt.graph import Graph
from tfg.runtime.checkpointing.variables import graph_variables
from tfg.runtime.passes import validation
from tfg.runtime.passes.freezing.freeze import freeze

SAMPLES = Path(__file__).parents[4] / "samples"
W = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
X = np.array([[0.5, -1.0]], np.float32)
KINDS = pytest.mark.parametrize("by_handle", [False, True])


def variable(g: Any, name: str, value: Any, by_handle: bool) -> Any:
    """A variable with its initialiser ``init/NAME``."""
    array = np.asarray(value)
    make = g.VarHandleOp if by_handle else g.VariableV2
    more = {"shared_name": name} if by_handle else {}
    made = make(
        shape=list(array.shape), dtype="int32" if array.dtype.kind == "i" else "float", name=name, **more
    )
    (g.AssignVariableOp if by_handle else g.Assign)(made, g.constant(array), name=f"init/{name}")
    return made


def read(g: Any, made: Any, by_handle: bool, name: str | None = None) -> Any:
    return g.ReadVariableOp(made, dtype="float", name=name) if by_handle else g.Identity(made, name=name)


def values_of(session: tfg.Session) -> dict[str, Any]:
    state = session.snapshot().resources
    return {v.name: state[v.key]["value"] for v in graph_variables(session.graph) if state.get(v.key)}


def frozen_like(
    graph: Graph, fetches: Sequence[str], inits: Sequence[str], keep: Sequence[str] = (), feeds: Any = None
) -> Graph:
    """The frozen graph, after it has computed bit for bit what the graph with its state does."""
    with tfg.Session(graph) as session:
        session.run(targets=inits)
        expected = session.run(fetches, feeds)
        found = freeze(graph, values_of(session), keep=keep)
    assert not graph_variables(found)
    with tfg.Session(found) as session:
        for value, want in zip(session.run(fetches, feeds), expected):
            assert value.tobytes() == want.tobytes()
    return found


def failure(call: Any, *args: Any, **keywords: Any) -> TfgError:
    with pytest.raises(TfgError) as caught:
        call(*args, **keywords)
    return caught.value


@KINDS
def test_readers_get_the_value(by_handle: bool) -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 2], name="x")
    w = variable(g, "w", W, by_handle)
    g.MatMul(x, read(g, w, by_handle, "w/read"), name="y")
    found = frozen_like(g.graph(), ["y", "w/read"], ["init/w"], feeds={"x": X})
    assert {node.name: node.op for node in found.nodes} == {
        "x": "Placeholder", "w": "Const", "w/read": "Identity", "y": "MatMul"
    }  # fmt: skip


@KINDS
def test_training_goes(by_handle: bool) -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 2], name="x")
    w = variable(g, "w", W, by_handle)
    y = g.MatMul(x, read(g, w, by_handle), name="y")
    slope = g.Neg(g.MatMul(x, y, transpose_a=True), name="slope")
    rate = g.constant(np.float32(0.1), name="rate")
    add = g.ResourceApplyGradientDescent if by_handle else g.ApplyGradientDescent
    step = add(w, rate, slope, name="step")
    with g.control_dependencies([step]):
        g.NoOp(name="train")
        g.Identity(y, name="after")
    found = frozen_like(g.graph(), ["y", "slope"], ["init/w"], feeds={"x": X})
    assert not {"step", "train", "after", "rate", "init/w"} & {node.name for node in found.nodes}
    only = freeze(g.graph(), {"w": W}, keep=["y"])
    assert [node.name for node in only.nodes if node.op not in ("Identity", "ReadVariableOp")] == [
        "x",
        "w",
        "y",
    ]


def test_every_way_to_read_a_handle() -> None:
    g = tfg.GraphBuilder()
    w = g.Identity(variable(g, "w", W, True), name="again")
    g.ResourceGather(w, [1, 0, 1], dtype="float", name="rows")
    g.ResourceGatherNd(w, [[1, 0]], dtype="float", name="element")
    g.VariableShape(w, out_type="int64", name="shape")
    g.Cast(g.VarIsInitializedOp(w, name="is"), DstT="float", name="initialised")
    fetches = ["rows", "element", "shape", "initialised"]
    frozen_like(g.graph(), fetches, ["init/w"], keep=fetches)


@KINDS
def test_through_branches_of_nodes(by_handle: bool) -> None:
    g = tfg.GraphBuilder()
    w = variable(g, "w", W, by_handle)
    ref = "" if by_handle else "Ref"
    pred = g.placeholder("bool", [], name="pred")
    low, high = g.add_op(f"{ref}Switch", w, pred, name="switch")
    g.Merge([read(g, low, by_handle), g.Neg(read(g, high, by_handle))], name="either")
    for value in (False, True):
        frozen_like(g.graph(), ["either"], ["init/w"], keep=["either"], feeds={"pred": value})


def with_function(name: str = "f", *, writes: bool = False) -> Graph:
    """y = f(w, x), in which w is handed to another function."""
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 2], name="x")
    w = variable(g, "w", W, True)

    def inner(b: Any, handle: Any, x: Any) -> Any:
        if writes:
            b.AssignAddVariableOp(handle, b.constant(W), name="grow")
        return b.MatMul(x, b.ReadVariableOp(handle, dtype="float"))

    g.function("inner", inner, "resource", "float")

    def outer(b: Any, handle: Any, x: Any) -> Any:
        (y,) = b.StatefulPartitionedCall([handle, x], Tout=["float"], f=Function("inner"), name="call")
        return [b.Neg(y), handle]

    g.function("outer", outer, "resource", "float")
    g.function("unused", lambda b, x: b.Neg(x), "float")
    y, handle = g.StatefulPartitionedCall([w, x], Tout=["float", "resource"], f=Function("outer"), name=name)
    g.Identity(y, name="y")
    g.ReadVariableOp(handle, dtype="float", name="again")
    return g.graph()


def test_functions_get_the_value_for_the_handle() -> None:
    graph = with_function()
    found = frozen_like(graph, ["y", "again"], ["init/w"], keep=["y", "again"], feeds={"x": X})
    assert {f.name for f in found.functions} == {"inner_frozen", "outer_frozen"}
    assert all(arg.type == 1 for f in found.functions for arg in f.inputs)


def test_functional_control_flow() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [1, 2], name="x")
    w = variable(g, "w", W, True)
    total = g.Sum(x, [0, 1])
    y = g.cond(
        g.Greater(total, 0.0),
        lambda b: b.MatMul(x, b.ReadVariableOp(w, dtype="float")),
        lambda b: b.Neg(x),
    )
    _, z = g.while_loop(
        lambda b, i, v: b.Less(i, 3),
        lambda b, i, v: [b.AddV2(i, 1), b.Tanh(b.MatMul(v, b.ReadVariableOp(w, dtype="float")))],
        [0, y],
    )
    g.Identity(z, name="z")
    for sign in (1, -1):
        found = frozen_like(g.graph(), ["z"], ["init/w"], keep=["z"], feeds={"x": sign * np.abs(X)})
    assert not any("Resource" in n.op or n.op == "ReadVariableOp" for f in found.functions for n in f.body)


@pytest.mark.parametrize("keep", [["y"], []])
def test_a_function_that_writes(keep: list[str]) -> None:
    error = failure(freeze, with_function(writes=True), {"w": W}, keep=keep)
    assert error.status == Status.FAILED_PRECONDITION
    assert "'f'" in error.message


def counting() -> Graph:
    """y counts how often it is asked for."""
    g = tfg.GraphBuilder()
    w = variable(g, "w", W, False)
    count = variable(g, "count", np.float32(0), False)
    with g.control_dependencies([g.AssignAdd(count, 1.0, name="tick")]):
        g.Neg(g.Identity(w), name="y")
    return g.graph()


def test_a_counter_in_the_way() -> None:
    error = failure(freeze, counting(), {"w": W, "count": np.float32(3)}, keep=["y"])
    assert error.status == Status.FAILED_PRECONDITION
    assert (error.node, "'tick'" in error.message, "'y' needs it" in error.message) == ("tick", True, True)


def test_what_is_left_stays_a_variable() -> None:
    found = freeze(counting(), {"w": W}, keep=["y"], partly=True)
    assert [v.name for v in graph_variables(found)] == ["count"]
    assert {"tick", "y"} <= {node.name for node in found.nodes}
    error = failure(freeze, counting(), {"w": W}, keep=["y"])
    assert error.status == Status.FAILED_PRECONDITION
    assert "no value for 1 variable of the graph: 'count'" in error.message


@pytest.mark.parametrize(
    ("value", "message"), [(W.astype(float), "is float, but its value is double"), (W[0], "has shape [2,2]")]
)
def test_a_value_that_does_not_fit(value: Any, message: str) -> None:
    error = failure(freeze, counting(), {"w": value}, keep=["y"], partly=True)
    assert (error.status, error.node) == (Status.INVALID_ARGUMENT, "w")
    assert message in error.message


def test_unknown_ends() -> None:
    error = failure(freeze, counting(), {"w": W}, keep=["yy"])
    assert error.status == Status.NOT_FOUND


def test_saving_and_restoring_go() -> None:
    g = tfg.GraphBuilder()
    w = variable(g, "w", W, False)
    g.Neg(g.Identity(w), name="y")
    file = g.constant("f", name="file")
    g.SaveV2(file, ["w"], [""], [w], name="save")
    (value,) = g.RestoreV2(file, ["w"], [""], dtypes=["float"], name="restore")
    g.Assign(w, value, name="put")
    found = freeze(g.graph(), {"w": W})
    assert {node.op for node in found.nodes} == {"Const", "Identity", "Neg"}
    assert "file" not in found


def test_colocation_with_what_went() -> None:
    g = tfg.GraphBuilder()
    w = variable(g, "w", W, False)
    g.Neg(g.Identity(w), name="y")
    nodes = [
        replace(n, attrs={**n.attrs, "_class": (b"loc:@init/w", b"loc:@w")}) if n.name == "y" else n
        for n in g.graph().nodes
    ]
    found = freeze(g.graph().with_nodes(nodes), {"w": W})
    assert found["y"].attrs["_class"] == (b"loc:@w",)


def test_digits_without_state(tmp_path: Path) -> None:
    graph = tfg.load(SAMPLES / "digits" / "mlp.pbtxt")
    data = np.load(SAMPLES / "digits" / "digits.npz")
    feeds = {"x": data["x_test"], "y": data["y_test"]}
    found = frozen_like(graph, ["accuracy", "loss"], ["init"], feeds=feeds)
    assert "init" not in found
    tfg.save(found, tmp_path / "model.pbtxt")
    assert freeze(tfg.load(tmp_path / "model.pbtxt"), {}).nodes == found.nodes


@pytest.mark.parametrize("name", ["lm", "generate"])
def test_a_loop_of_nodes(name: str) -> None:
    graph = tfg.load(SAMPLES / "rnn" / f"{name}.pbtxt")
    values = {
        v.name: np.zeros([d or 1 for d in v.shape.dims or ()], v.dtype.numpy if v.dtype else np.float32)
        for v in graph_variables(graph)
    }
    found = freeze(graph, values)
    assert not graph_variables(found)
    assert not validation.faults(found)


# power(h, x, n): x times the variable's value to the n, by calling itself.
POWER = """
node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
node { name: "n" op: "Placeholder" attr { key: "dtype" value { type: DT_INT32 } } }
node { name: "w" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } }
  attr { key: "shape" value { shape { } } } }
node { name: "y" op: "power" input: "w" input: "x" input: "n" }
library {
  function {
    signature { name: "power" is_stateful: true input_arg { name: "h" type: DT_RESOURCE }
      input_arg { name: "x" type: DT_FLOAT } input_arg { name: "n" type: DT_INT32 }
      output_arg { name: "o" type: DT_FLOAT } }
    node_def { name: "if" op: "If" input: "n" input: "h" input: "x" input: "n"
      attr { key: "Tcond" value { type: DT_INT32 } } attr { key: "Tout" value { list { type: DT_FLOAT } } }
      attr { key: "Tin" value { list { type: DT_RESOURCE type: DT_FLOAT type: DT_INT32 } } }
      attr { key: "then_branch" value { func { name: "more" } } }
      attr { key: "else_branch" value { func { name: "done" } } } }
    ret { key: "o" value: "if:output:0" }
  }
  function {
    signature { name: "more" is_stateful: true input_arg { name: "h" type: DT_RESOURCE }
      input_arg { name: "x" type: DT_FLOAT } input_arg { name: "n" type: DT_INT32 }
      output_arg { name: "o" type: DT_FLOAT } }
    node_def { name: "one" op: "Const" attr { key: "dtype" value { type: DT_INT32 } }
      attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape { } int_val: 1 } } } }
    node_def { name: "less" op: "Sub" input: "n" input: "one:output:0"
      attr { key: "T" value { type: DT_INT32 } } }
    node_def { name: "read" op: "ReadVariableOp" input: "h" attr { key: "dtype" value { type: DT_FLOAT } } }
    node_def { name: "times" op: "Mul" input: "x" input: "read:value:0"
      attr { key: "T" value { type: DT_FLOAT } } }
    node_def { name: "call" op: "power" input: "h" input: "times:z:0" input: "less:z:0" }
    ret { key: "o" value: "call:o:0" }
  }
  function {
    signature { name: "done" input_arg { name: "h" type: DT_RESOURCE }
      input_arg { name: "x" type: DT_FLOAT } input_arg { name: "n" type: DT_INT32 }
      output_arg { name: "o" type: DT_FLOAT } }
    ret { key: "o" value: "x" }
  }
}
"""


def test_a_function_that_calls_itself(tmp_path: Path) -> None:
    (tmp_path / "power.pbtxt").write_text(POWER)
    frozen = freeze(tfg.load(tmp_path / "power.pbtxt"), {"w": np.array(2, np.float32)}, keep=["y"])
    assert {f.name for f in frozen.functions} == {"power_frozen", "more_frozen", "done_frozen"}
    with tfg.Session(frozen) as session:
        assert session.run(["y"], {"x": 3.0, "n": 4})[0] == 48
