"""Partitioned graphs against TensorFlow's: the same sends and receives, and text that it reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf: Any = pytest.importorskip("tensorflow")

import tfg  # noqa: E402
from google.protobuf import text_format  # noqa: E402
from tfg.graphfmt.proto.binary import graph_from_bytes  # noqa: E402
from tfg.graphfmt.text.writer import write_graph  # noqa: E402
from tfg.runtime.passes.partitioning.partition import partition  # noqa: E402
from tfg.runtime.passes.prune import StepSignature, prune  # noqa: E402

from ..runtime.passes.partitioning.placing import Together, device, on, placed  # noqa: E402
from .models import MODELS, v1  # noqa: E402
from .tensorflow_runner import plain_config  # noqa: E402
from .test_models import reads_of_variables, written  # noqa: E402


def fan_out() -> Sequence[Any]:
    with tf.device("cpu:1"):
        a = tf.tanh(tf.constant([1.0, 2.0]), name="a")
    with tf.device("cpu:2"):
        near = [tf.sigmoid(a), tf.nn.relu(a)]
    with tf.device("cpu:0"):
        return [tf.add_n([*near, a], name="sum")]


def control_edges() -> Sequence[Any]:
    with tf.device("cpu:1"):
        a, b = tf.constant(1.0, name="a"), tf.constant(2.0, name="b")
    with tf.device("cpu:0"):
        one = tf.constant(3.0)
        with tf.control_dependencies([a, b]):
            c = tf.identity(one, name="c")
        with tf.control_dependencies([a]):
            return [tf.add(c, tf.identity(one), name="sum")]


def conditional() -> Sequence[Any]:
    with tf.device("cpu:0"):
        p = tf.constant(True)
        x = tf.constant(2.0)

        def there() -> Any:
            with tf.device("cpu:1"):
                return tf.tanh(x)

        return [tf.cond(p, there, lambda: tf.square(x))]


def loop() -> Sequence[Any]:
    with tf.device("cpu:0"):

        def body(i: Any, v: Any) -> Any:
            with tf.device("cpu:1"):
                w = tf.tanh(v)
            with tf.device("cpu:2"):
                return i + 1, w * 0.5

        limit = tf.constant(5)
        return tf.while_loop(lambda i, v: i < limit, body, [tf.constant(0), tf.constant(1.0)])


def nested_loops() -> Sequence[Any]:
    with tf.device("cpu:0"):

        def inner(j: Any, w: Any) -> Any:
            with tf.device("cpu:1"):
                return j + 1, tf.tanh(w) + 0.5

        def outer(i: Any, v: Any) -> Any:
            return i + 1, tf.while_loop(lambda j, w: j < 3, inner, [tf.constant(0), v])[1]

        return tf.while_loop(lambda i, v: i < 4, outer, [tf.constant(0), tf.constant(1.0)])


GRAPHS = [fan_out, control_edges, conditional, loop, nested_loops]


def several() -> Any:
    config = plain_config()
    config.device_count["CPU"] = 3
    return config


@pytest.fixture
def old_control_flow() -> Any:
    was = v1.control_flow_v2_enabled()
    v1.disable_control_flow_v2()
    yield
    if was:
        v1.enable_control_flow_v2()


def added(nodes: Any, names: Sequence[str]) -> Counter[str]:
    """The operations among nodes that partitioning has added, less those that feed and fetch."""
    return Counter(
        n.op.replace("Host", "") for n in nodes if n.name not in names and not n.op.endswith("val")
    )


@pytest.mark.usefixtures("old_control_flow")
@pytest.mark.parametrize("make", GRAPHS, ids=lambda make: make.__name__)
def test_the_same_is_added_as_in_tensorflow(make: Callable[[], Sequence[Any]]) -> None:
    with v1.Graph().as_default() as whole, v1.Session(config=several()) as session:
        fetches = list(make())
        with tf.device("cpu:0"):
            fetches = [tf.identity(fetch, name=f"fetched_{n}") for n, fetch in enumerate(fetches)]
        metadata = v1.RunMetadata()
        options = v1.RunOptions(output_partition_graphs=True)
        expected = session.run(fetches, options=options, run_metadata=metadata)
        graph = read(whole, metadata)
        names = [fetch.op.name for fetch in fetches]
        pruned = prune(graph, StepSignature(tuple(names), (), ())).graph
        parts = partition(pruned)
        theirs = {
            next(n.device for n in g.node): added(g.node, graph.index.keys())
            for g in metadata.partition_graphs
        }
        mine = {d: added(g.nodes, graph.index.keys()) for d, g in parts.graphs.items()}
        assert mine == theirs
        actual = Together(parts).run(names)
        for a, e in zip(actual, expected):
            np.testing.assert_allclose(a, e, rtol=1e-6)


def read(whole: Any, metadata: Any) -> tfg.Graph:
    """TensorFlow's graph with the devices that it gave the nodes."""
    graph = graph_from_bytes(whole.as_graph_def().SerializeToString(), "graph")
    homes = {n.name: n.device for g in metadata.partition_graphs for n in g.node}
    return graph.with_nodes(replace(n, device=homes.get(n.name, device(0))) for n in graph.nodes)


@pytest.mark.usefixtures("old_control_flow")
@pytest.mark.parametrize("make", GRAPHS, ids=lambda make: make.__name__)
def test_tensorflow_runs_the_parts(make: Callable[[], Sequence[Any]]) -> None:
    """Read from their text into one graph, they exchange values as its own parts do."""
    with v1.Graph().as_default() as whole, v1.Session(config=several()) as session:
        fetches = list(make())
        expected = session.run(fetches)
        names = [fetch.name for fetch in fetches]
        graph = graph_from_bytes(whole.as_graph_def().SerializeToString(), "graph")
    pruned = prune(placed(graph, 3), StepSignature(tuple(names), (), ())).graph
    parts = partition(pruned)
    with v1.Graph().as_default() as imported, v1.Session(config=several()) as session:
        for part in parts.graphs.values():
            message = text_format.Parse(write_graph(part), v1.GraphDef())
            tf.graph_util.import_graph_def(message, name="")
        sends = [op for op in imported.get_operations() if op.type == "_Send"]
        actual = session.run([[imported.get_tensor_by_name(n) for n in names], sends])[0]
    for a, e in zip(actual, expected):
        np.testing.assert_allclose(a, e, rtol=1e-6)


def test_truncation_is_that_of_tensorflow() -> None:
    """For numbers, infinities, denormals and every kind of NaN."""
    high = np.arange(0, 1 << 16, 7, np.uint32) << 16
    bits = np.concatenate([high | low for low in (0, 1, 0x7FFF, 0x8000, 0xFFFF)])
    bits = np.concatenate([bits, np.array([0x7F800001, 0xFF800001, 0x7F80FFFF, 0x7FC00000], np.uint32)])
    values = bits.view(np.float32)
    with v1.Graph().as_default(), v1.Session(config=plain_config()) as session:
        x = v1.placeholder(tf.float32, [None])
        cut = tf.raw_ops.Cast(x=x, DstT=tf.bfloat16, Truncate=True)
        expected = session.run(tf.cast(cut, tf.float32), {x: values})
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None], name="x")
    g.Identity(g.Identity(x, name="near"), name="far")
    (actual,) = Together(partition(on(g.graph(), {"far": 1}), wire="bf16")).run(["far"], {"x": values})
    number = ~np.isnan(values)
    np.testing.assert_array_equal(actual.view(np.uint32)[number], bits[number] & 0xFFFF0000)
    np.testing.assert_array_equal(actual.view(np.uint32)[number], expected.view(np.uint32)[number])
    assert np.isnan(actual[~number]).all() and np.isnan(expected[~number]).all()


def bits_of(values: Sequence[Any]) -> list[Any]:
    return [v.tolist() if v.dtype.hasobject else (v.shape, v.tobytes()) for v in values]


@pytest.mark.parametrize("by_handle", [False, True], ids=["ref", "resource"])
@pytest.mark.parametrize("name", sorted(MODELS)[::5])
def test_a_model_on_random_devices_computes_and_trains_as_on_one(
    name: str, by_handle: bool, tmp_path: Path
) -> None:
    with v1.Graph().as_default(), v1.variable_scope("", use_resource=by_handle):
        v1.set_random_seed(1)
        model = MODELS[name]()
        reads = reads_of_variables()
        init = tf.group(v1.global_variables_initializer(), v1.local_variables_initializer())
        graph = tfg.load(written(tmp_path, text=False))
    feeds = {t.name: v for t, v in model.feeds.items()}
    train = [model.train.name] if model.train is not None else []

    def steps(session: tfg.Session) -> list[Any]:
        session.run(targets=[init.name])
        found = []
        for _ in range(model.steps):
            found += session.run([t.name for t in model.fetches], feeds, train, timeout=60)
        return bits_of(found + (session.run([r.name for r in reads]) if reads else []))

    whole = steps(tfg.Session(graph))
    with tfg.Session(placed(graph, len(name)), devices="cpu:3") as session:
        assert steps(session) == whole
