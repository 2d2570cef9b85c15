"""The benchmarks of the main table: reading, start-up, steps, training, planning."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tfg.graphfmt.graph import Graph
from tfg.graphfmt.proto.binary import graph_to_bytes
from tfg.graphfmt.text.reader import read_graph
from tfg.graphfmt.text.writer import write_graph
from tfg.runtime.execution.session import Session

from . import graphs, recurrent
from .timing import Pair, compare


@dataclass(frozen=True)
class Row:
    """A line of the table: the benchmark, the reference, both times, and the target for the ratio."""

    what: str
    against: str
    pair: Pair
    target: str


def tensorflow() -> Any:
    """Returns TensorFlow's v1 module, or None where it is not installed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import tensorflow
    except ImportError:
        return None
    return tensorflow.compat.v1


def their_step(
    tf: Any,
    graph: Graph,
    fetches: Sequence[str],
    feeds: dict[str, Any],
    init: str | None,
    threads: int = 0,
) -> Callable[[], Any]:
    """Returns a function that runs a step of the graph in TensorFlow's Session; 0 threads are TensorFlow's choice."""
    message = tf.GraphDef()
    message.ParseFromString(graph_to_bytes(graph))
    with tf.Graph().as_default() as imported:
        tf.import_graph_def(message, name="")
    config = tf.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
    session = tf.Session(graph=imported, config=config)
    if init:
        session.run(imported.get_operation_by_name(init))
    wanted = [
        imported.get_tensor_by_name(f"{n}:0")
        if imported.get_operation_by_name(n).outputs
        else imported.get_operation_by_name(n)
        for n in fetches
    ]
    given = {imported.get_tensor_by_name(f"{n}:0"): v for n, v in feeds.items()}
    return lambda: session.run(wanted, given)


def reading() -> Iterator[Row]:
    from google.protobuf import text_format
    from tfg.graphfmt.proto import graph_pb2

    text = write_graph(graphs.wide_text(5000))
    ours = lambda: read_graph(text, "bench")  # noqa: E731
    theirs = lambda: text_format.Parse(text, graph_pb2.GraphDef())  # noqa: E731
    pair = compare(ours, theirs, rounds=3, seconds=0.1)
    yield Row(f"reading 5,000 nodes, {len(text) / 1e6:.1f} MB", "protobuf's text parser", pair, "≤ 0.1")


def starting(tf: Any) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "two.pbtxt"
        g = graphs.GraphBuilder()
        g.Neg(g.placeholder("float", [2], name="x"), name="y")
        path.write_text(write_graph(g.graph()))
        command = [sys.executable, "-m", "tfg", "run", str(path), "--feed", "x=[1,2]", "--fetch", "y"]
        ours = lambda: subprocess.run(command, check=True, capture_output=True)  # noqa: E731
        bare = [sys.executable, "-c", "import numpy, click, google.protobuf"]
        imports = lambda: subprocess.run(bare, check=True, capture_output=True)  # noqa: E731
        pair = compare(ours, imports, rounds=15, seconds=0)
        yield Row("tfg run of two nodes, whole process", "importing numpy, click, protobuf", pair, "≤ 1.5")
        if tf is None:
            return
        script = (
            "import tensorflow.compat.v1 as tf; tf.disable_eager_execution();"
            "x=tf.placeholder(tf.float32,[2]); print(tf.Session().run(-x,{x:[1,2]}))"
        )
        other = lambda: subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)  # noqa: E731
        yield Row(
            "tfg run of two nodes, whole process",
            "the same in TensorFlow",
            compare(ours, other, rounds=3, seconds=0),
            "≤ 0.1",
        )


def stepping(tf: Any) -> Iterator[Row]:
    one = np.float32(1)
    cases = [
        ("a step that does nothing", graphs.nothing(), ["nothing"], {}, "≤ 0.3"),
        (
            "1,000 independent scalar adds",
            graphs.scalars(1000, dependent=False),
            ["all"],
            {"x": one},
            "≤ 0.6",
        ),
        ("1,000 dependent scalar adds", graphs.scalars(1000, dependent=True), ["all"], {"x": one}, "≤ 1.0"),
        (
            "a loop of 1,000 iterations, one scalar add",
            graphs.counting(),
            ["count"],
            {"limit": np.float32(1000)},
            "≤ 0.5",
        ),
    ]
    for what, graph, targets, feeds, target in cases:
        session = Session(graph)
        ours = lambda s=session, f=feeds, t=targets: s.run([], f, t)  # noqa: E731
        theirs = their_step(tf, graph, targets, feeds, None) if tf else None
        yield Row(what, "TensorFlow", compare(ours, theirs), target)


def training(tf: Any) -> Iterator[Row]:
    random = np.random.RandomState(0)
    images = {"x": random.rand(64, 784).astype(np.float32), "y": random.randint(0, 10, 64).astype(np.int32)}
    yield _training(tf, "MLP 784-512-512-10, batch 64, momentum", graphs.mlp(), images)
    words = random.randint(0, recurrent.WORDS, (2, recurrent.BATCH, recurrent.STEPS)).astype(np.int32)
    yield _training(
        tf, "LSTM 2x512, 35 steps, batch 20, 10,000 words", recurrent.lstm(), {"x": words[0], "y": words[1]}
    )


def _training(tf: Any, what: str, graph: Graph, feeds: dict[str, Any]) -> Row:
    session = Session(graph)
    session.run(targets=["init"])
    theirs = their_step(tf, graph, ["loss", "train"], feeds, "init") if tf else None
    pair = compare(lambda: session.run(["loss"], feeds, ["train"]), theirs, seconds=0.5)
    return Row(what, "TensorFlow", pair, "≤ 1.0")


def planning() -> Iterator[Row]:
    for count, target in ((10_000, ""), (100_000, "≤ 5 s")):
        session = Session(graphs.chain(count))
        began = time.perf_counter()
        session.plan([f"n{count - 1}"], ["x"])
        yield Row(
            f"building the plan of {count:,} nodes", "", Pair(time.perf_counter() - began, None, None), target
        )


def show(row: Row) -> None:
    ours = _seconds(row.pair.ours)
    theirs = _seconds(row.pair.theirs) if row.pair.theirs is not None else ""
    ratio = f"{row.pair.ratio:.2f}" if row.pair.ratio is not None else ""
    print(f"{row.what:44} {ours:>10} {theirs:>10} {ratio:>7}  {row.target:7} {row.against}", flush=True)


def _seconds(value: float) -> str:
    for unit, scale in (("s", 1), ("ms", 1e-3)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value / 1e-6:.3g} µs"


def main() -> None:
    tf = tensorflow()
    if tf is None:
        print("TensorFlow is not installed: pip install 'tfg[oracle]' to compare with it", file=sys.stderr)
    print(f"{'':44} {'tfg':>10} {'reference':>10} {'ratio':>7}  {'target':7} the reference")
    for rows in (reading(), starting(tf), stepping(tf), training(tf), planning()):
        for row in rows:
            show(row)
