"""Graphs with functions that TensorFlow has built: run by tfg against TensorFlow, with gradients of both, and
the gradients that tfg adds run by TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf: Any = pytest.importorskip("tensorflow")

import tfg  # noqa: E402
from tfg.runtime.passes.gradients.backpropagation import dense  # noqa: E402

from tests import reference  # noqa: E402
from tests.runtime.execution.test_functions import FACTORIAL, call, graph_of, placeholder  # noqa: E402

from .functions import GRAPHS  # noqa: E402
from .models import Model, v1  # noqa: E402
from .tensorflow_runner import plain_config  # noqa: E402


@pytest.fixture(autouse=True)
def _functional_control_flow() -> Iterator[None]:
    v1.enable_control_flow_v2()
    yield
    v1.disable_control_flow_v2()


class Pair:
    """A graph in both, with its variables initialised."""

    def __init__(self, build: Any, folder: Path, *, text: bool = False) -> None:
        self.model: Model = build()
        self.init = v1.global_variables_initializer()
        path = folder / ("graph.pbtxt" if text else "graph.pb")
        v1.train.write_graph(v1.get_default_graph(), str(folder), path.name, as_text=text)
        self.graph = tfg.load(path)
        self.feeds = {t.name: v for t, v in self.model.feeds.items()}

    @cached_property
    def theirs(self) -> Any:
        """TensorFlow's session, made when the graph is finished."""
        session = v1.Session(config=plain_config())
        session.run(self.init)
        return session


def close(actual: Any, expected: Any) -> None:
    expected = np.asarray(expected)
    assert actual.shape == expected.shape
    if expected.dtype.kind in "OSU":
        assert actual.reshape(-1).tolist() == [bytes(x) for x in expected.reshape(-1)]
        return
    assert actual.dtype == expected.dtype
    np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_with_functions_computes_as_in_tensorflow(name: str, text: bool, tmp_path: Path) -> None:
    with v1.Graph().as_default():
        pair = Pair(GRAPHS[name], tmp_path, text=text)
        mine = tfg.Session(pair.graph)
        mine.run(targets=[pair.init.name])
        model = pair.model
        for _ in range(model.steps):
            expected = pair.theirs.run(
                [*model.fetches, *([model.train] if model.train is not None else [])], pair.feeds
            )
            train = [model.train.name] if model.train is not None else []
            actual = mine.run([t.name for t in model.fetches], pair.feeds, train)
            for a, e in zip(actual, expected):
                close(a, e)


@pytest.mark.parametrize("name", GRAPHS)
def test_plans_compute_what_the_reference_computes(name: str, tmp_path: Path) -> None:
    with v1.Graph().as_default():
        pair = Pair(GRAPHS[name], tmp_path)
    context = reference.Context()
    reference.run(pair.graph, [pair.init.name], {}, context)
    names = [t.name for t in pair.model.fetches]
    session = tfg.Session(pair.graph)
    session.run(targets=[pair.init.name])
    expected = reference.run(
        pair.graph, names, {k: np.asarray(v)[()] for k, v in pair.feeds.items()}, context
    )
    for a, e in zip(session.run(names, pair.feeds), expected):
        np.testing.assert_array_equal(a, e)


def _added(b: tfg.GraphBuilder, y: str, xs: list[str]) -> list[Any]:
    return [dense(b, found) for found in tfg.add_gradients(b, [b.tensor(y)], [b.tensor(x) for x in xs])]


def _starts(model: Model) -> list[Any]:
    return [*v1.trainable_variables(), *model.wrt]


def _names(xs: list[Any]) -> list[str]:
    return [x.handle.name if hasattr(x, "handle") else x.name for x in xs]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", GRAPHS)
def test_gradients_through_functions_are_those_of_tensorflow(name: str, order: int, tmp_path: Path) -> None:
    with v1.Graph().as_default():
        pair = Pair(GRAPHS[name], tmp_path)
        if pair.model.loss is None:
            pytest.skip("nothing to differentiate")
        xs = _starts(pair.model)
        theirs = v1.gradients(pair.model.loss, xs)
        b = tfg.GraphBuilder(pair.graph)
        mine = _added(b, pair.model.loss.name, _names(xs))
        if order == 2:
            y = tf.add_n([tf.reduce_sum(tf.convert_to_tensor(x) ** 2) for x in theirs if x is not None])
            theirs = v1.gradients(y, xs)
            parts = [b.Sum(b.Mul(x, x), b.Range(0, b.Rank(x), 1)) for x in mine if x is not None]
            mine = _added(b, b.AddN(parts).name, _names(xs))
        assert [x is None for x in mine] == [x is None for x in theirs]
        expected = pair.theirs.run([tf.convert_to_tensor(x) for x in theirs if x is not None], pair.feeds)
    names = [x.name for x in mine if x is not None]
    session = tfg.Session(b.graph())
    session.run(targets=[pair.init.name])
    found = session.run(names, pair.feeds)
    scale = 1 if order == 1 else 50
    for actual, value in zip(found, expected):
        np.testing.assert_allclose(actual, value, rtol=1e-5 * scale, atol=1e-5 * scale)
    for actual, value in zip(_run_by_tensorflow(b.graph(), pair, names, tmp_path), expected):
        np.testing.assert_allclose(actual, value, rtol=1e-5 * scale, atol=1e-5 * scale)


def _run_by_tensorflow(graph: tfg.Graph, pair: Pair, names: list[str], folder: Path) -> list[Any]:
    tfg.save(graph, folder / "with_gradients.pb")
    message = v1.GraphDef.FromString((folder / "with_gradients.pb").read_bytes())
    with v1.Graph().as_default() as imported:
        tf.import_graph_def(message, name="")
        with v1.Session(config=plain_config()) as session:
            session.run(pair.init.name)
            tensors = [imported.get_tensor_by_name(n if ":" in n else n + ":0") for n in names]
            return session.run(tensors, pair.feeds)


def test_tensorflow_runs_a_function_that_calls_itself(tmp_path: Path) -> None:
    graph = graph_of(placeholder() + call("factorial"), FACTORIAL)
    tfg.save(graph, tmp_path / "graph.pb")
    message = v1.GraphDef.FromString((tmp_path / "graph.pb").read_bytes())
    with v1.Graph().as_default():
        tf.import_graph_def(message, name="")
        with v1.Session(config=plain_config()) as session:
            assert session.run("y:0", {"n:0": 6}) == tfg.Session(graph).run(["y"], {"n": 6})[0] == 720
