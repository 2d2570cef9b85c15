"""Whole networks that TensorFlow has built: written to files, read and run by tfg, against TensorFlow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf: Any = pytest.importorskip("tensorflow")

import tfg  # noqa: E402
from tensorflow.python.eager import context  # noqa: E402
from tensorflow.python.framework.convert_to_constants import (  # noqa: E402
    convert_variables_to_constants_v2,
)
from tfg.kernels.core import registry  # noqa: E402
from tfg.runtime.passes.gradients.backpropagation import dense  # noqa: E402

from .models import MODELS, Model, v1, values  # noqa: E402
from .tensorflow_runner import plain_config  # noqa: E402

CONTROL_FLOW = {"Switch", "RefSwitch", "Merge", "RefMerge", "Enter", "RefEnter", "Exit", "RefExit"} | {
    *("NextIteration", "RefNextIteration", "LoopCond", "If", "StatelessIf", "While", "StatelessWhile"),
    *("PartitionedCall", "StatefulPartitionedCall", "TensorArrayV3", "StackV2"),
}


def reads_of_variables() -> list[Any]:
    variables = [*v1.global_variables(), *v1.local_variables()]
    return [tf.identity(v, name=f"read_{v.op.name.replace('/', '_')}") for v in variables]


def written(folder: Path, *, text: bool) -> Path:
    """The default graph, as TensorFlow writes it."""
    name = "graph.pbtxt" if text else "graph.pb"
    v1.train.write_graph(v1.get_default_graph(), str(folder), name, as_text=text)
    return folder / name


def assert_close(actual: Any, expected: Any, tol: float, what: str) -> None:
    expected = np.asarray(expected)
    assert actual.shape == expected.shape, f"{what}: {actual.shape}, not {expected.shape}"
    if expected.dtype.kind in "OSU":
        assert [bytes(x) for x in actual.reshape(-1)] == [bytes(x) for x in expected.reshape(-1)], what
        return
    assert actual.dtype == expected.dtype, f"{what}: {actual.dtype}, not {expected.dtype}"
    if expected.dtype.kind not in "fc":
        np.testing.assert_array_equal(actual, expected, err_msg=what)
        return
    scale = float(np.abs(expected).max()) if expected.size else 0.0
    np.testing.assert_allclose(actual, expected, rtol=tol, atol=tol * scale, err_msg=what)


def names(tensors: Sequence[Any]) -> list[str]:
    return [t.name for t in tensors]


def missing_operations(graph: tfg.Graph) -> Counter[str]:
    return Counter(n.op for n in graph.nodes if registry.find(n.op) is None)


class Pair:
    """The default graph in both, every variable initialised by its own initialiser."""

    def __init__(self, model: Model, folder: Path, *, text: bool) -> None:
        self.model = model
        self.reads = reads_of_variables()
        self.init = tf.group(v1.global_variables_initializer(), v1.local_variables_initializer())
        self.graph = tfg.load(written(folder, text=text))
        missing = missing_operations(self.graph)
        if not CONTROL_FLOW.isdisjoint(missing):
            pytest.skip(f"{', '.join(missing)} are not here yet")
        assert not missing
        self.mine = tfg.Session(self.graph)
        self.theirs = v1.Session(config=plain_config())
        self.feeds = {t.name: v for t, v in model.feeds.items()}

    def initialise(self) -> None:
        self.theirs.run(self.init)
        self.mine.run(targets=[self.init.name])
        self.compare_variables("initial ")

    def compare_variables(self, what: str) -> None:
        if self.reads:
            self.compare(self.reads, {}, what)

    def compare(self, fetches: Sequence[Any], feeds: dict[str, Any], what: str, train: Any = None) -> None:
        """Runs a step in both and holds everything that they fetch against each other."""
        expected = self.theirs.run([*fetches, *([train] if train is not None else [])], feeds)
        actual = self.mine.run(names(fetches), feeds, [train.name] if train is not None else [])
        for tensor, a, e in zip(fetches, actual, expected):
            assert_close(a, e, self.model.tol, what + tensor.name)


@pytest.mark.parametrize("by_handle", [False, True], ids=["ref", "resource"])
@pytest.mark.parametrize("name", MODELS)
def test_a_model_computes_and_trains_as_in_tensorflow(name: str, by_handle: bool, tmp_path: Path) -> None:
    with v1.Graph().as_default(), v1.variable_scope("", use_resource=by_handle):
        v1.set_random_seed(1)
        model = MODELS[name]()
        pair = Pair(model, tmp_path, text=by_handle)
        pair.initialise()
        for step in range(model.steps):
            pair.compare(model.fetches, pair.feeds, f"step {step}: ", model.train)
            for train in model.apart:
                pair.compare([], pair.feeds, "", train)
        pair.compare_variables("trained ")


@pytest.mark.parametrize("by_handle", [False, True], ids=["ref", "resource"])
@pytest.mark.parametrize("name", MODELS)
def test_gradients_that_tfg_adds_are_those_of_tensorflow(name: str, by_handle: bool, tmp_path: Path) -> None:
    with v1.Graph().as_default(), v1.variable_scope("", use_resource=by_handle):
        v1.set_random_seed(1)
        model = MODELS[name]()
        if model.loss is None:
            pytest.skip("nothing to differentiate")
        variables = v1.trainable_variables()
        pair = Pair(model, tmp_path, text=False)
        pair.initialise()
        wrt = [*variables, *model.wrt]
        theirs = v1.gradients(model.loss, wrt)
        expected = pair.theirs.run([tf.convert_to_tensor(x) for x in theirs if x is not None], pair.feeds)

        g = tfg.GraphBuilder(pair.graph)
        starts = [g.tensor(x.handle.name if hasattr(x, "handle") else x.op.name) for x in wrt]
        found = tfg.add_gradients(g, [g.tensor(model.loss.name)], starts)
        assert [x is None for x in found] == [x is None for x in theirs]
        tensors = [t for t in (dense(g, x) for x in found) if t is not None]
        mine = tfg.Session(g.graph())
        mine.run(targets=[pair.init.name])
        actual = mine.run([t.name for t in tensors], pair.feeds)
        known = [x for x, y in zip(wrt, theirs) if y is not None]
        for x, a, e in zip(known, actual, expected):
            assert_close(a, e, 5 * model.tol, f"gradient of {x.name}")


OPTIMIZERS = {
    "sgd": lambda t: t.GradientDescentOptimizer(0.1),
    "momentum": lambda t: t.MomentumOptimizer(0.1, 0.9),
    "nesterov": lambda t: t.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
    "adagrad": lambda t: t.AdagradOptimizer(0.1),
    "adagrad_da": lambda t: t.AdagradDAOptimizer(0.1, t.get_or_create_global_step(), 0.1, 0.01, 0.02),
    "adadelta": lambda t: t.AdadeltaOptimizer(0.5),
    "adam": lambda t: t.AdamOptimizer(0.01),
    "rmsprop": lambda t: t.RMSPropOptimizer(0.01, momentum=0.5),
    "rmsprop_centered": lambda t: t.RMSPropOptimizer(0.01, momentum=0.5, centered=True),
    "ftrl": lambda t: t.FtrlOptimizer(0.1, l1_regularization_strength=0.01, l2_regularization_strength=0.1),
    "ftrl_shrinkage": lambda t: t.FtrlOptimizer(0.1, l2_shrinkage_regularization_strength=0.1),
    "proximal_sgd": lambda t: t.ProximalGradientDescentOptimizer(0.1, 0.01, 0.02),
    "proximal_adagrad": lambda t: t.ProximalAdagradOptimizer(
        0.1, l1_regularization_strength=0.01, l2_regularization_strength=0.02
    ),
}


@pytest.mark.parametrize("by_handle", [False, True], ids=["ref", "resource"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_steps_as_in_tensorflow(name: str, by_handle: bool, tmp_path: Path) -> None:
    with v1.Graph().as_default(), v1.variable_scope("", use_resource=by_handle):
        table = v1.get_variable("table", initializer=values(7, 3))
        kernel = v1.get_variable("kernel", initializer=values(3, 2, seed=1))
        ids = v1.placeholder(tf.int32, [None], "ids")
        h = tf.matmul(tf.nn.embedding_lookup(table, ids), kernel)
        loss = tf.reduce_sum(tf.square(h - 1.0))
        optimizer = OPTIMIZERS[name](v1.train)
        if name == "adagrad_da":
            train = optimizer.minimize(loss, global_step=v1.train.get_global_step(), var_list=[kernel])
        else:
            train = optimizer.minimize(loss)
        model = Model([loss], {ids: np.array([1, 4, 1, 0], np.int32)}, tol=2e-6)
        pair = Pair(model, tmp_path, text=False)
        pair.initialise()
        for step in range(5):
            pair.compare([loss], pair.feeds, f"step {step}: ", train)
            pair.compare_variables(f"after step {step}: ")


class Classifier(tf.Module):
    """A model as one writes it today: variables of a module, and functions that call each other."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(values(3, 3, 1, 4), name="kernel")
        self.head = tf.Variable(values(4, 5), name="head")
        self.scale = tf.Variable(1.5, name="scale")

    @tf.function
    def features(self, images: Any) -> Any:
        h = tf.nn.relu(tf.nn.conv2d(images, self.kernel, 1, "SAME"))
        return tf.reduce_mean(h, [1, 2]) * self.scale

    @tf.function
    def __call__(self, images: Any) -> Any:
        logits = self.features(images) @ self.head
        best = tf.math.top_k(tf.nn.softmax(logits), 2)
        return {"logits": logits, "scores": best.values, "classes": best.indices}


@tf.function
def search(queries: Any, keys: Any) -> Any:
    """Nearest neighbours, with shapes that are not known before it runs."""
    distances = tf.reduce_sum((queries[:, tf.newaxis] - keys[tf.newaxis]) ** 2, -1)
    nearest = tf.argsort(distances, axis=-1)[:, :3]
    found = tf.gather(keys, nearest)
    return nearest, tf.reduce_mean(found, 1), tf.einsum("qd,kd->qk", queries, keys), tf.sqrt(distances)


CONCRETE = {
    "classifier": (Classifier, [values(2, 6, 6, 1)]),
    "search": (lambda: search, [values(4, 3), values(7, 3, seed=2)]),
}


@pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
@pytest.mark.parametrize("name", CONCRETE)
def test_a_frozen_function_computes_as_in_tensorflow(name: str, text: bool, tmp_path: Path) -> None:
    with context.eager_mode():
        make, arrays = CONCRETE[name]
        specs = [tf.TensorSpec([None, *a.shape[1:]], a.dtype) for a in arrays]
        made = make()
        function = made.__call__ if isinstance(made, tf.Module) else made
        frozen = convert_variables_to_constants_v2(function.get_concrete_function(*specs))
        expected = tf.nest.flatten(frozen(*map(tf.constant, arrays)))
        path = tmp_path / ("graph.pbtxt" if text else "graph.pb")
        tf.io.write_graph(frozen.graph, str(tmp_path), path.name, as_text=text)
        wanted = [v.numpy() for v in expected]
        fetches, inputs = names(tf.nest.flatten(frozen.structured_outputs)), names(frozen.inputs)
    graph = tfg.load(path)
    assert not missing_operations(graph)
    actual = tfg.Session(graph).run(fetches, dict(zip(inputs, arrays)))
    for fetch, a, e in zip(fetches, actual, wanted):
        assert_close(a, e, 1e-5, fetch)
