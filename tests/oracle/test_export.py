"""SavedModels that ``tfg convert`` wrote, loaded and served by TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf: Any = pytest.importorskip("tensorflow")

import tfg  # noqa: E402

from ..cli.command import run_tfg  # noqa: E402

v1 = tf.compat.v1


def test_tensorflow_serves_a_model_of_both_kinds_of_variables(tmp_path: Path) -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 2], name="x")
    w = g.VariableV2(shape=[2, 2], dtype="float", name="w")
    h = g.VarHandleOp(shape=[2], dtype="float", shared_name="h", name="h")
    assigned = [g.Assign(w, np.eye(2, dtype=np.float32)), g.AssignVariableOp(h, np.float32([10, 20]))]
    g.group(*assigned, name="init")
    g.AddV2(g.MatMul(x, g.Identity(w)), g.ReadVariableOp(h, dtype="float"), name="y")
    graph, state, folder = tmp_path / "g.pbtxt", tmp_path / "s.h5", tmp_path / "model"
    tfg.save(g.graph(), graph)
    assert run_tfg("run", graph, "--target", "init", "--state", state).status == 0
    assert run_tfg("convert", graph, "--state", state, "--outputs", "y", "-o", folder).status == 0
    value = np.array([[1, 2]], np.float32)
    with tf.Graph().as_default(), v1.Session() as session:
        meta = v1.saved_model.load(session, ["serve"], str(folder))
        signature = meta.signature_def["serving_default"]
        result = session.run(signature.outputs["y"].name, {signature.inputs["x"].name: value})
    np.testing.assert_array_equal(result, [[11, 22]])


def test_tensorflow_serves_a_model_of_its_own_after_conversion(tmp_path: Path) -> None:
    class Model(tf.Module):
        def __init__(self) -> None:
            self.w = tf.Variable([[1.0], [2.0]], name="w")

        @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
        def call(self, x: Any) -> Any:
            return {"y": tf.cond(tf.reduce_sum(x) > 0, lambda: x @ self.w, lambda: x @ -self.w)}

    model = Model()
    tf.saved_model.save(model, str(tmp_path / "own"), signatures={"serving_default": model.call})
    assert run_tfg("convert", tmp_path / "own", "-o", tmp_path / "converted").status == 0
    serve = tf.saved_model.load(str(tmp_path / "converted")).signatures["serving_default"]
    np.testing.assert_array_equal(serve(x=tf.constant([[3.0, 4.0]]))["y"].numpy(), [[11]])
    np.testing.assert_array_equal(serve(x=tf.constant([[-3.0, -4.0]]))["y"].numpy(), [[11]])
