"""TensorFlow's Savers as graphs: each side restores what the other wrote, and freezing keeps the results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf: Any = pytest.importorskip("tensorflow")

import tfg  # noqa: E402
from tfg.graphfmt.load import load_metagraph  # noqa: E402
from tfg.runtime.checkpointing.variables import graph_variables  # noqa: E402
from tfg.runtime.passes.freezing.freeze import freeze  # noqa: E402
from tfg.runtime.saved_models.initialization import restore_by_saver  # noqa: E402

from .models import v1, values  # noqa: E402
from .tensorflow_runner import plain_config  # noqa: E402

X = values(5, 6)
SAVERS: dict[str, dict[str, Any]] = {"plain": {}, "sharded": {"sharded": True}, "v1": {"write_version": 1}}


@pytest.fixture(autouse=True)
def _graph() -> Iterator[None]:
    with tf.Graph().as_default():
        yield


def build(*, by_handle: bool, parts: int, half: Any) -> Any:
    """A net with variables of many kinds, and its training."""
    partitioner = v1.fixed_size_partitioner(parts) if parts > 1 else None
    x = v1.placeholder(tf.float32, [None, 6], name="x")
    with v1.variable_scope("net", use_resource=by_handle, partitioner=partitioner):
        w = v1.get_variable("w", [6, 4], initializer=v1.random_normal_initializer(seed=1))
        b = v1.get_variable("b", [4], initializer=v1.random_normal_initializer(seed=2))
        table = v1.get_variable("table", [9, 4], initializer=v1.random_normal_initializer(seed=3))
    with v1.variable_scope("other", use_resource=by_handle):
        for dtype, value in (
            (tf.float64, [1.5, 2.5]), (tf.bool, [True, False]), (half, [1.5, -2.0]), (tf.complex64, [1 + 2j]),
            (tf.int8, [-3]), (tf.string, [b"a", b"bc"]),
        ):  # fmt: skip
            v1.get_variable(dtype.name, initializer=tf.constant(value, dtype))
    kernel, bias = tf.convert_to_tensor(w), tf.convert_to_tensor(b)
    y = tf.nn.relu(tf.matmul(x, kernel) + bias) + tf.nn.embedding_lookup(table, [3])
    if parts == 1:
        rows = tf.gather(b, [3, 2, 1, 0])
        y = tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, tf.tanh(y + w[0] + rows)), [0, y])[1]
        y = tf.cond(tf.reduce_sum(y) > 0, lambda: y + b, lambda: y - b)
    y = tf.identity(y, name="y")
    step = v1.train.get_or_create_global_step()
    v1.train.AdamOptimizer(0.1).minimize(tf.reduce_mean(y), global_step=step, name="train")


def theirs(path: str) -> dict[str, Any]:
    """All variables as TensorFlow restores them."""
    with v1.Session(config=plain_config()) as session:
        v1.train.Saver(v1.global_variables()).restore(session, path)
        return session.run({v.name: v for v in v1.global_variables()})


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("by_handle", [False, True])
@pytest.mark.parametrize("kind", SAVERS)
def test_either_restores_what_the_other_saved(kind: str, by_handle: bool, parts: int, tmp_path: Path) -> None:
    build(by_handle=by_handle, parts=parts, half=tf.float16 if kind == "v1" else tf.bfloat16)
    saver = v1.train.Saver(v1.global_variables(), **SAVERS[kind])
    with v1.Session(config=plain_config()) as session:
        session.run(v1.global_variables_initializer())
        session.run("train", {"x:0": X})
        path = saver.save(session, str(tmp_path / "theirs"))
        expected = session.run({v.name: v for v in v1.global_variables()})
        y = session.run("y:0", {"x:0": X})
    meta = load_metagraph(f"{path}.meta")
    with tfg.Session(meta.graph) as session:
        restore_by_saver(session, meta, path)
        (found,) = session.run(["y"], {"x": X})
        np.testing.assert_allclose(found, y, rtol=1e-5, atol=1e-6)
        assert meta.saver is not None
        for name in ("ours", "ours.h5"):
            mine = np.array(str(tmp_path / name), object)
            session.run([meta.saver.save_tensor], {meta.saver.filename_tensor: mine})
            with tfg.Session(meta.graph) as other:
                restore_by_saver(other, meta, str(tmp_path / name))
                assert other.run(["y"], {"x": X})[0].tobytes() == found.tobytes()
    for name, value in theirs(str(tmp_path / "ours")).items():
        assert np.array_equal(value, expected[name]), name


@pytest.mark.parametrize("functional", [False, True])
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("by_handle", [False, True])
def test_frozen_graphs(by_handle: bool, parts: int, functional: bool, tmp_path: Path) -> None:
    (v1.enable_control_flow_v2 if functional else v1.disable_control_flow_v2)()
    try:
        build(by_handle=by_handle, parts=parts, half=tf.bfloat16)
    finally:
        v1.disable_control_flow_v2()
    saver = v1.train.Saver()
    with v1.Session(config=plain_config()) as session:
        session.run(v1.global_variables_initializer())
        path = saver.save(session, str(tmp_path / "f"))
        expected = session.run("y:0", {"x:0": X})
    meta = load_metagraph(f"{path}.meta")
    with tfg.Session(meta.graph) as session:
        restore_by_saver(session, meta, path)
        (mine,) = session.run(["y"], {"x": X})
        state = session.snapshot().resources
    given = {v.name: state[v.key]["value"] for v in graph_variables(meta.graph) if state.get(v.key)}
    for keep in (["y"], []):
        frozen = freeze(meta.graph, given, keep=keep)
        assert not graph_variables(frozen)
        with tfg.Session(frozen) as session:
            assert session.run(["y"], {"x": X})[0].tobytes() == mine.tobytes()
        tfg.save(frozen, tmp_path / "frozen.pb")
        message = v1.GraphDef.FromString((tmp_path / "frozen.pb").read_bytes())
        with tf.Graph().as_default(), v1.Session(config=plain_config()) as theirs:
            tf.import_graph_def(message, name="")
            np.testing.assert_allclose(theirs.run("y:0", {"x:0": X}), expected, rtol=1e-5, atol=1e-6)
