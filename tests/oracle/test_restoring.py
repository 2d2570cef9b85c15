"""Checkpoints of TensorFlow's into graphs of TensorFlow's, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt.checkpoints.hdf5 import state_file
from tfg.graphfmt.load import load_metagraph
from tfg.runtime.checkpointing.variables import graph_variables

from ..cli.command import run_tfg

tf: Any = pytest.importorskip("tensorflow")
v1: Any = tf.compat.v1

from .eager import eagerly  # noqa: E402, F401


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def partitioned() -> tuple[Any, Any]:
    """A training graph with a variable in three parts, and its saver."""
    w = v1.get_variable(
        "w", [10, 4], partitioner=v1.fixed_size_partitioner(3), initializer=v1.random_uniform_initializer()
    )
    b = v1.get_variable("b", [4], use_resource=True, initializer=v1.random_normal_initializer())
    v1.train.get_or_create_global_step()
    loss = tf.reduce_sum(tf.convert_to_tensor(w) ** 2) + tf.reduce_sum(b)
    train = v1.train.AdamOptimizer(0.1).minimize(loss, global_step=v1.train.get_global_step())
    return train, v1.train.Saver()


def state(path: str) -> dict[str, Any]:
    return {name: arrays["value"] for (_, _, name), arrays in state_file.read(Path(path)).resources.items()}


def ran(*args: str) -> str:
    outcome = run_tfg(*args)
    assert outcome.status == 0, outcome.err
    return outcome.err


def test_partitioned_variables_come_and_go() -> None:
    with v1.Graph().as_default(), v1.Session() as session:
        train, saver = partitioned()
        session.run(v1.global_variables_initializer())
        for _ in range(3):
            session.run(train)
        saver.save(session, "./ck")
        expected = {v.op.name: session.run(v) for v in v1.global_variables()}
        assert "step 3" in ran("restore", "ck.meta", "ck", "--state", "s.h5")
        found = state("s.h5")
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value)
        # The other way round, after TensorFlow has forgotten everything.
        ran("checkpoint", "ck.meta", "--state", "s.h5", "-o", "back")
        session.run(v1.global_variables_initializer())
        saver.restore(session, "./back")
        for variable in v1.global_variables():
            np.testing.assert_array_equal(session.run(variable), expected[variable.op.name])
    assert run_tfg("checkpoint", "diff", "ck", "back").status == 0


def test_a_whole_variable_of_parts_and_parts_of_a_whole() -> None:
    with v1.Graph().as_default(), v1.Session() as session:
        _, saver = partitioned()
        session.run(v1.global_variables_initializer())
        saver.save(session, "./ck")
        expected = session.run(
            tf.concat([v for v in v1.global_variables() if "part" in v.name and "A" not in v.name], 0)
        )
    g = tfg.GraphBuilder()
    g.VarHandleOp(dtype="float", shape=[10, 4], name="w")
    tfg.save(g.graph(), "whole.pbtxt")
    ran("restore", "ck.meta", "ck", "--state", "parts.h5")
    for source in ("ck", "parts.h5"):
        ran("restore", "whole.pbtxt", source, "--state", "whole.h5")
        np.testing.assert_array_equal(state("whole.h5")["w"], expected)
    ran("restore", "ck.meta", "whole.h5", "--state", "again.h5", "--only", "w/part_?")
    again = state("again.h5")
    np.testing.assert_array_equal(np.concatenate([again[f"w/part_{i}"] for i in range(3)]), expected)


class Namesakes(tf.Module):
    """Two variables that both say their name is ``w``."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable(np.float32([[1, 2, 3], [4, 5, 6]]), name="w")
        self.bias = tf.Variable(np.float32([7, 8, 9]), name="w")

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def __call__(self, x: Any) -> Any:
        return {"y": x @ self.weights + self.bias}


def test_a_models_own_restore_function_tells_namesakes_apart() -> None:
    model = Namesakes()
    tf.saved_model.save(model, "model", signatures=model.__call__)
    graph = load_metagraph("model").graph
    stored = {v.shape.rank: v.stored.tensor for v in graph_variables(graph) if v.stored}
    assert stored == {
        1: "bias/.ATTRIBUTES/VARIABLE_VALUE",
        2: "weights/.ATTRIBUTES/VARIABLE_VALUE",
    }
    ran("restore", "model", "-o", "frozen.pb", "--signature", "serving_default")
    x = np.float32([[1, 2], [3, 4]])
    with tfg.Session(tfg.load("frozen.pb")) as session:
        (y,) = session.run(["StatefulPartitionedCall"], {"serving_default_x": x})
    np.testing.assert_array_equal(y, model(x)["y"])


def test_checkpoints_by_objects_know_names_of_variables() -> None:
    net = tf.Module()
    net.layer = tf.Module()
    net.layer.kernel = tf.Variable(np.float32([1, 2]), name="dense/kernel")
    prefix = tf.train.Checkpoint(net=net, rate=tf.Variable(0.5, name="rate")).save("objects")
    g = tfg.GraphBuilder()
    g.VarHandleOp(dtype="float", shape=[2], name="dense/kernel")
    tfg.save(g.graph(), "g.pbtxt")
    ran("restore", "g.pbtxt", prefix, "--state", "s.h5")
    assert state("s.h5")["dense/kernel"].tolist() == [1, 2]
