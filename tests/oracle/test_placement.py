"""Device requests, colocation, references and resources, held against TensorFlow's placer.

TensorFlow chooses one device for each node; it must be one of those that are feasible here, and where it
refuses, so must we. Its Python importer rewrites devices, and so the graph goes in beneath it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from tfg.graphfmt import dtypes
from tfg.graphfmt.devices import parse_device
from tfg.graphfmt.errors import TfgError
from tfg.graphfmt.graph import Graph, Node
from tfg.graphfmt.shapes import SCALAR
from tfg.graphfmt.tensors import from_array
from tfg.runtime.passes.placement.constraints.constraints import constrain
from tfg.runtime.passes.placement.machine.machine import parse_devices

pytest.importorskip("tensorflow")
import numpy as np
import tensorflow as tf
from tensorflow.python.client import pywrap_tf_session as c_api
from tensorflow.python.framework import c_api_util

from tests.oracle.tensorflow_runner import plain_config, to_graph_def, v1

FLOAT = dtypes.BY_NAME["float"]
RESOURCE = dtypes.BY_NAME["resource"]
ONE = from_array(np.float32(1), FLOAT)
CPU2 = parse_devices("cpu:2")
DEVICES = (
    "/cpu:0",
    "/cpu:1",
    "/device:CPU:*",
    "/device:*:1",
    "/gpu:0",
    "/job:localhost",
    "/task:1",
    "/cpu:7",
)


def placed_by_tensorflow(graph: Graph, soft: bool) -> dict[str, str]:
    """The devices of the nodes, when all have run after those called ``init_``; without nodes that TensorFlow
    has done away with. Raises OpError where it refuses."""
    imported = tf.Graph()
    options = c_api.TF_NewImportGraphDefOptions()
    c_api.TF_ImportGraphDefOptionsSetPrefix(options, "")
    serialised = to_graph_def(graph).SerializeToString()
    with imported._c_graph.get() as inner, c_api_util.tf_buffer(serialised) as data:
        c_api.TF_GraphImportGraphDefWithResults(inner, data, options)
    imported._add_new_tf_operations(compute_devices=False)
    config = plain_config()
    config.device_count["CPU"] = 2
    config.allow_soft_placement = soft
    found = v1.RunMetadata()
    whole = v1.RunOptions(output_partition_graphs=True)
    with v1.Session(graph=imported, config=config) as session:
        session.run([o for o in imported.get_operations() if o.name.startswith("init_")])
        session.run(imported.get_operations(), options=whole, run_metadata=found)
    return {node.name: node.device for part in found.partition_graphs for node in part.node}


def agree(graph: Graph, soft: bool) -> None:
    """Fails unless both refuse the graph alike, or TensorFlow's placement is feasible here."""
    try:
        theirs = placed_by_tensorflow(graph, soft)
    except tf.errors.OpError as error:
        with pytest.raises(TfgError) as caught:
            constrain(graph, CPU2, soft=soft)
        assert caught.value.status == type(error).__name__.removesuffix("Error").replace(
            "InvalidArgument", "INVALID_ARGUMENT"
        )
        return
    ours = constrain(graph, CPU2, soft=soft)
    if soft and any(len({theirs[n] for n in g.nodes if n in theirs}) > 1 for g in ours.groups):
        # TensorFlow keeps the requests then, and we the colocation.
        return
    for name in theirs.keys() & graph.index.keys():
        assert theirs[name] in ours.feasible(name), (graph[name], ours.notes)


def constant(name: str, device: str = "", beside: tuple[str, ...] = ()) -> Node:
    return Node(name, "Const", (), {"value": ONE, "dtype": FLOAT, **classes(beside)}, device)


def variable(name: str, device: str = "", beside: tuple[str, ...] = ()) -> Node:
    return Node(name, "VariableV2", (), {"dtype": FLOAT, "shape": SCALAR, **classes(beside)}, device)


def handle(name: str, device: str = "", beside: tuple[str, ...] = ()) -> Node:
    attrs = {"dtype": FLOAT, "shape": SCALAR, "shared_name": name.encode(), **classes(beside)}
    return Node(name, "VarHandleOp", (), attrs, device)


def classes(beside: tuple[str, ...]) -> dict[str, Any]:
    return {"_class": tuple(f"loc:@{name}".encode() for name in beside)} if beside else {}


def random_graph(seed: int) -> Graph:
    """Constants, variables of both kinds, and what uses them, with requests and companions here and there."""
    choose = random.Random(seed)
    nodes = [constant("x"), variable("v"), handle("h")]
    for i in range(choose.randint(1, 6)):
        name = f"n{i}"
        device = choose.choice(["", "", choose.choice(DEVICES[:3]), choose.choice(DEVICES)])
        beside = tuple(choose.choice(nodes).name for _ in range(choose.choice([0, 0, 1])))
        references = [n.name for n in nodes if n.op in ("VariableV2", "Assign")]
        handles = [n.name for n in nodes if n.op == "VarHandleOp"]
        kind = choose.choice(["constant", "variable", "handle", "assign", "write", "identity"])
        if kind == "assign":
            target = choose.choice(references)
            nodes.append(Node(name, "Assign", (target, "x"), {"T": FLOAT, **classes(beside)}, device))
        elif kind == "write":
            attrs = {"dtype": FLOAT, **classes(beside)}
            nodes.append(Node(name, "AssignVariableOp", (choose.choice(handles), "x"), attrs, device))
        elif kind == "identity":
            attrs = {"T": FLOAT, **classes(beside)}
            nodes.append(Node(name, "Identity", (choose.choice(references),), attrs, device))
        else:
            make = {"constant": constant, "variable": variable, "handle": handle}[kind]
            nodes.append(make(name, device, beside))
    return initialised(nodes)


def initialised(nodes: Sequence[Node]) -> Graph:
    """The nodes, and ``init_`` nodes that give every reference variable the value of the constant x."""
    names = [node.name for node in nodes if node.op == "VariableV2"]
    return Graph((*nodes, *(Node(f"init_{n}", "Assign", (n, "x"), {"T": FLOAT}) for n in names)))


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize(
    "device",
    [
        *(
            *DEVICES,
            "",
            "/",
            "/CPU:0",
            "/tpu:0",
            "/device:cpu:0",
            "device:CPU:0",
            "cpu:0",
            "/device:CPU",
            "/cpu",
        ),
        *(
            "/device:*:*",
            "/job:*",
            "/job:a-b",
            "/job:localhost/replica:*/task:*/device:*:1",
            "/task:00",
            "//",
        ),
        *("/cpu:0/", "/cpu:0/cpu:1", "/device:CPU:1/device:GPU", "/device:CPU:1/device:CPU", "/job:x/job:*"),
        *("/task:18446744073709551615", "/task:18446744073709551616", "/device:CPU:-1", "/device:CPU_X:0"),
    ],
)
def test_names_of_devices(device: str, soft: bool) -> None:
    agree(Graph((constant("a", device),)), soft)


@pytest.mark.parametrize("soft", [False, True])
def test_two_variables_of_one_operation(soft: bool) -> None:
    inputs = ("v", "m", "x", "x", "x")
    apply = Node("apply", "ApplyMomentum", inputs, {"T": FLOAT})
    for devices in (("", "/cpu:1"), ("/cpu:1", "/cpu:1"), ("/cpu:0", "/cpu:1"), ("/gpu:0", "/cpu:1")):
        variables = (variable("v", devices[0]), variable("m", devices[1]))
        agree(initialised((*variables, constant("x"), apply)), soft)


@pytest.mark.parametrize("seed", range(150))
def test_random_graphs(seed: int) -> None:
    graph = random_graph(seed)
    for soft in (False, True):
        agree(graph, soft)


def test_an_unknown_companion() -> None:
    agree(Graph((constant("a", beside=("missing",)),)), False)


def test_feasible_devices_are_named_as_tensorflow_names_them() -> None:
    theirs = placed_by_tensorflow(Graph((constant("a", "/cpu:1"),)), False)
    assert theirs["a"] == CPU2.names[1] == str(parse_device(theirs["a"]))
