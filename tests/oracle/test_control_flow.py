"""Conditionals and loops of TensorFlow's first kind, against TensorFlow: what they give, and their gradients,
in the graph that tfg made of them as TensorFlow runs it too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf: Any = pytest.importorskip("tensorflow")

import tfg  # noqa: E402
from tfg.graphfmt.graph import Graph  # noqa: E402
from tfg.runtime.passes.gradients.backpropagation import dense  # noqa: E402

from .models import numbers, v1, values  # noqa: E402
from .tensorflow_runner import plain_config, to_graph_def  # noqa: E402


@dataclass
class Flow:
    """``y`` is differentiated with respect to ``xs``; all are run with each of the feeds."""

    y: Any
    xs: Sequence[Any]
    feeds: Sequence[dict[Any, Any]]
    fetches: Sequence[Any] = field(default_factory=list[Any])


FLOWS: dict[str, Callable[[], Flow]] = {}


def flow(function: Callable[[], Flow]) -> Callable[[], Flow]:
    FLOWS[function.__name__] = function
    return function


def number(name: str = "x", dtype: Any = tf.float64) -> Any:
    return v1.placeholder(dtype, [], name)


def vector(name: str = "x", size: int | None = None) -> Any:
    return v1.placeholder(tf.float64, [size], name)


def on_both(p: Any, feeds: dict[Any, Any]) -> list[dict[Any, Any]]:
    return [{**feeds, p: True}, {**feeds, p: False}]


@flow
def conditional() -> Flow:
    x, p = number(), v1.placeholder(tf.bool, [], "p")
    return Flow(v1.cond(p, lambda: x * x, lambda: tf.exp(x)), [x], on_both(p, {x: 1.5}))


@flow
def conditional_of_vectors() -> Flow:
    x, z, p = vector(), vector("z"), v1.placeholder(tf.bool, [], "p")
    a, b = v1.cond(p, lambda: (x * z, tf.sin(x)), lambda: (tf.exp(z) * x, x))
    feeds = {x: values(3), z: values(3, seed=1)}
    return Flow(tf.reduce_sum(a * b) + tf.reduce_sum(x), [x, z], on_both(p, feeds))


@flow
def one_branch_alone_uses_it() -> Flow:
    x, z, p = vector(), vector("z"), v1.placeholder(tf.bool, [], "p")
    y = v1.cond(p, lambda: tf.reduce_sum(x * x), lambda: tf.reduce_sum(tf.tanh(z)))
    return Flow(y * y, [x, z], on_both(p, {x: values(3), z: values(4)}))


@flow
def a_branch_of_constants() -> Flow:
    x, p = number(), v1.placeholder(tf.bool, [], "p")
    y = v1.cond(p, lambda: tf.sin(x), lambda: tf.constant(2.0, tf.float64))
    return Flow(y * x, [x], on_both(p, {x: 0.5}))


@flow
def conditional_in_conditional() -> Flow:
    x, p = number(), v1.placeholder(tf.bool, [], "p")
    q = v1.placeholder(tf.bool, [], "q")
    y = v1.cond(
        p,
        lambda: v1.cond(q, lambda: x * x * x, lambda: tf.exp(x) * x),
        lambda: v1.cond(q, lambda: x, lambda: 3 * x),
    )
    feeds = [f for b in (True, False) for f in on_both(p, {x: 1.2, q: b})]
    return Flow(y + tf.cos(x), [x], feeds)


@flow
def cases() -> Flow:
    x, k = vector(), v1.placeholder(tf.int32, [], "k")
    y = v1.case(
        [(tf.equal(k, 0), lambda: x * x), (tf.equal(k, 1), lambda: tf.exp(x))], default=lambda: tf.sin(x)
    )
    return Flow(tf.reduce_sum(y), [x], [{x: values(3), k: i} for i in range(3)])


@flow
def powers() -> Flow:
    x = number()
    n = v1.placeholder(tf.int32, [], "n")
    _, y = tf.while_loop(lambda i, y: i < n, lambda i, y: (i + 1, y * x), [0, tf.ones_like(x)])
    return Flow(y, [x], [{x: 1.3, n: i} for i in (0, 1, 2, 7)])


@flow
def squares() -> Flow:
    x = vector()
    (y,) = tf.while_loop(lambda y: tf.reduce_sum(y) < 100, lambda y: [y * y + tf.sin(y)], [x])
    return Flow(tf.reduce_sum(y * x), [x], [{x: [1.5, 2.0]}, {x: [3.0, 5.0, 1.0]}, {x: [100.0, 3.0]}])


def parallel(iterations: int) -> Flow:
    x, w = vector(size=3), v1.placeholder(tf.float64, [3, 3], "w")

    def body(i: Any, h: Any) -> Any:
        return i + 1, tf.tanh(tf.linalg.matvec(w, h) + x)

    _, h = tf.while_loop(lambda i, h: i < 5, body, [0, x], parallel_iterations=iterations)
    feeds = {x: values(3), w: values(3, 3)}
    return Flow(tf.reduce_sum(h * h), [x, w], [feeds], [h])


for _n in (1, 2, 10, 32):
    FLOWS[f"parallel_{_n}"] = lambda n=_n: parallel(n)


@flow
def variables_that_trade_places() -> Flow:
    x, z = number(), number("z")
    _, a, b, c = tf.while_loop(
        lambda i, a, b, c: i < 4, lambda i, a, b, c: (i + 1, b * c, a, c), [0, x, z, x * z]
    )
    return Flow(a * 2 + b, [x, z], [{x: 1.3, z: 0.7}], [a, b, c])


@flow
def what_a_body_forgets() -> Flow:
    # TensorFlow's own gradient of this takes everything for float.
    x, z = v1.placeholder(tf.float32, [None], "x"), v1.placeholder(tf.float32, [None], "z")
    _, y, _ = tf.while_loop(lambda i, y, w: i < 3, lambda i, y, w: (i + 1, tf.sin(w), w * z), [0, x, z])
    return Flow(tf.reduce_sum(y), [x, z], [{x: values(3), z: values(3, seed=4)}])


@flow
def an_invariant_calculation() -> Flow:
    x, z = number(), number("z")
    _, y = tf.while_loop(
        lambda i, y: i < 3,
        lambda i, y: (i + 1, y * tf.sin(x) + tf.constant(2.0, tf.float64) * (x * z)),
        [0, z],
    )
    return Flow(y, [x, z], [{x: 1.3, z: 0.7}])


@flow
def a_conditional_in_a_loop() -> Flow:
    x, w = vector(), vector("w")

    def body(i: Any, y: Any) -> Any:
        odd = tf.equal(i % 2, 1)
        return i + 1, v1.cond(odd, lambda: tf.sin(y) * w, lambda: tf.exp(y * 0.1) + y * y * 0.1)

    _, y = tf.while_loop(lambda i, y: i < 5, body, [0, x])
    return Flow(tf.reduce_sum(y), [x, w], [{x: values(3), w: values(3, seed=2)}], [y])


@flow
def conditionals_in_a_conditional_in_a_loop() -> Flow:
    x, w = vector(), vector("w")

    def body(i: Any, y: Any) -> Any:
        def inner() -> Any:
            return v1.cond(tf.reduce_sum(y) > 0.5, lambda: y * w * w, lambda: tf.exp(y) * y)

        return i + 1, v1.cond(tf.equal(i % 3, 1), lambda: y + 0.3 * w, inner)

    _, y = tf.while_loop(lambda i, y: i < 7, body, [0, x])
    return Flow(tf.reduce_sum(y), [x, w], [{x: values(3), w: values(3, seed=2)}], [y])


@flow
def a_loop_on_a_branch() -> Flow:
    x, p = vector(), v1.placeholder(tf.bool, [], "p")

    def loop() -> Any:
        return tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * tf.sin(x)), [0, x])[1]

    y = v1.cond(p, loop, lambda: x * 2)
    return Flow(tf.reduce_sum(y), [x], on_both(p, {x: values(4)}))


@flow
def a_loop_in_a_loop() -> Flow:
    x, w = vector(), vector("w")
    n = v1.placeholder(tf.int32, [], "n")

    def body(i: Any, y: Any) -> Any:
        inner = tf.while_loop(lambda j, z: j < i, lambda j, z: (j + 1, tf.sin(z) * w + y), [0, y * w])
        return i + 1, inner[1] * y

    _, y = tf.while_loop(lambda i, y: i < n, body, [0, x])
    feeds = {x: values(3), w: values(3, seed=2)}
    return Flow(tf.reduce_sum(y), [x, w], [{**feeds, n: i} for i in (0, 1, 4)], [y])


@flow
def three_loops_in_each_other_with_conditionals() -> Flow:
    x, w = vector(), vector("w")

    def innermost(k: Any, z: Any) -> Any:
        return k + 1, v1.cond(k > 0, lambda: tf.sin(z) * w, lambda: z * 0.5 + w * w)

    def inner(j: Any, z: Any) -> Any:
        return j + 1, tf.while_loop(lambda k, z: k < j, innermost, [0, z * w])[1]

    def body(i: Any, y: Any) -> Any:
        return i + 1, v1.cond(
            i > 0, lambda: tf.while_loop(lambda j, z: j <= i, inner, [0, y])[1] * y, lambda: y * w
        )

    _, y = tf.while_loop(lambda i, y: i < 3, body, [0, x])
    return Flow(tf.reduce_sum(y), [x, w], [{x: values(3), w: values(3, seed=2)}], [y])


@flow
def one_loop_after_another() -> Flow:
    x = vector()

    def loop(start: Any, n: int) -> Any:
        return tf.while_loop(lambda i, y: i < n, lambda i, y: (i + 1, y * tf.cos(y)), [0, start])[1]

    return Flow(tf.reduce_sum(loop(loop(x, 3), 2) * loop(x, 4)), [x], [{x: values(4)}])


@flow
def rows_of_a_table() -> Flow:
    table = v1.placeholder(tf.float64, [None, 2], "table")
    ids = v1.placeholder(tf.int32, [None, 3], "ids")

    def body(i: Any, y: Any) -> Any:
        return i + 1, y * 0.5 + tf.reduce_sum(tf.gather(table, ids[i]) * (y + 1), 0)

    _, y = tf.while_loop(lambda i, y: i < tf.shape(ids)[0], body, [0, tf.zeros([2], tf.float64)])
    feeds = {table: values(9, 2), ids: numbers(4, 3, limit=9)}
    return Flow(tf.reduce_sum(y * y), [table], [feeds], [y])


@flow
def shapes_that_change() -> Flow:
    x = vector()
    _, y = tf.while_loop(
        lambda i, y: i < 3,
        lambda i, y: (i + 1, tf.concat([y * y, tf.sin(x)], 0)),
        [0, x],
        shape_invariants=[tf.TensorShape([]), tf.TensorShape([None])],
    )
    return Flow(tf.reduce_sum(y), [x], [{x: values(2)}, {x: values(3)}], [y])


@flow
def mapped() -> Flow:
    x, w = v1.placeholder(tf.float64, [None, 3], "x"), vector("w")
    y = tf.map_fn(lambda row: tf.sin(row) * w, x)
    return Flow(tf.reduce_sum(y * y), [x, w], [{x: values(4, 3), w: values(3)}], [y])


@flow
def scanned() -> Flow:
    x = v1.placeholder(tf.float64, [None, 3], "x")
    y = tf.scan(lambda a, row: tf.tanh(a) * row, x)
    return Flow(tf.reduce_sum(y * y), [x], [{x: values(4, 3)}], [y])


@flow
def folded() -> Flow:
    x = v1.placeholder(tf.float64, [None, 3], "x")
    y = tf.foldl(lambda a, row: tf.tanh(a + row) * row, x)
    return Flow(tf.reduce_sum(y * y), [x], [{x: values(4, 3)}], [y])


def with_variables(by_handle: bool) -> Flow:
    with v1.variable_scope("", use_resource=by_handle):
        w = v1.get_variable("w", initializer=values(3, 3).astype(np.float64))
        table = v1.get_variable("table", initializer=values(5, 3).astype(np.float64))
        x, p = vector(size=3), v1.placeholder(tf.bool, [], "p")

        def body(i: Any, h: Any) -> Any:
            row = v1.cond(
                p, lambda: tf.nn.embedding_lookup(table, [i % 5, 2])[0], lambda: tf.linalg.matvec(w, h)
            )
            return i + 1, tf.tanh(tf.linalg.matvec(w, h) + row + tf.gather(table, i % 2))

        _, h = tf.while_loop(lambda i, h: i < 6, body, [0, x])
        y = v1.cond(p, lambda: tf.reduce_sum(h * tf.gather(table, 1)), lambda: tf.reduce_sum(h * h))
    return Flow(y, [x, w, table], on_both(p, {x: values(3)}), [h])


FLOWS["ref_variables"] = lambda: with_variables(False)
FLOWS["resource_variables"] = lambda: with_variables(True)


@flow
def a_dynamic_rnn() -> Flow:
    x = v1.placeholder(tf.float32, [None, None, 3], "x")
    lengths = v1.placeholder(tf.int32, [None], "lengths")
    w = v1.get_variable("w", initializer=values(5, 2))

    class Cell:
        state_size = output_size = 2

        def zero_state(self, batch: Any, dtype: Any) -> Any:
            return tf.zeros([batch, 2], dtype)

        def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
            new = tf.tanh(tf.matmul(tf.concat([inputs, state], 1), w))
            return new, new

    outputs, state = v1.nn.dynamic_rnn(Cell(), x, lengths, dtype=tf.float32)
    feeds = {x: values(2, 4, 3), lengths: [2, 4]}
    return Flow(tf.reduce_sum(outputs * outputs) + tf.reduce_sum(state), [x, w], [feeds], [outputs, state])


@flow
def mapped_over_conditionals() -> Flow:
    x, w = v1.placeholder(tf.float64, [None, 3], "x"), vector("w")

    def one(row: Any) -> Any:
        return v1.cond(tf.reduce_sum(row) > 0, lambda: tf.sin(row) * w, lambda: row * row)

    y = tf.map_fn(one, x, parallel_iterations=4)
    return Flow(tf.reduce_sum(y * y), [x, w], [{x: values(6, 3), w: values(3)}], [y])


@flow
def mapped_twice() -> Flow:
    x, w = v1.placeholder(tf.float64, [None, 2, 3], "x"), vector("w")
    y = tf.map_fn(lambda m: tf.map_fn(lambda row: tf.sin(row) * w, m), x)
    return Flow(tf.reduce_sum(y * y), [x, w], [{x: values(4, 2, 3), w: values(3)}], [y])


@flow
def what_no_gradient_goes_through() -> Flow:
    x, z = vector(), vector("z")

    def body(i: Any, y: Any, n: Any, u: Any) -> Any:
        return i + 1, y * tf.stop_gradient(u) + tf.cast(n, tf.float64), n + tf.cast(y[0] > 0, tf.int32), u * z

    _, y, n, u = tf.while_loop(lambda i, *_: i < 4, body, [0, x, 0, z])
    return Flow(
        tf.reduce_sum(y) * tf.cast(n, tf.float64), [x, z], [{x: values(3), z: values(3, seed=3)}], [y, n, u]
    )


@flow
def gradients_of_gradients_of_conditionals() -> Flow:
    x, p = vector(), v1.placeholder(tf.bool, [], "p")
    y = v1.cond(p, lambda: x * x * x, lambda: tf.exp(x))
    (dx,) = v1.gradients(tf.reduce_sum(y * y), [x])
    return Flow(tf.reduce_sum(dx * dx), [x], on_both(p, {x: values(3)}))


@flow
def an_array_of_a_changing_size() -> Flow:
    x = vector()
    array = tf.TensorArray(tf.float64, size=0, dynamic_size=True, clear_after_read=False, infer_shape=False)

    def body(i: Any, y: Any, a: Any) -> Any:
        a = a.write(i, y)
        return i + 1, tf.ensure_shape(tf.sin(y) * a.read(i), [None]), a

    _, y, array = tf.while_loop(lambda i, *_: i < 5, body, [0, x, array])
    return Flow(tf.reduce_sum(array.stack()) + tf.reduce_sum(y), [x], [{x: values(3)}], [y])


@flow
def a_loop_that_ends_early() -> Flow:
    x, limit = vector(), number("limit")

    def body(y: Any, steps: Any) -> Any:
        return v1.cond(steps > 2, lambda: y * x, lambda: y + tf.exp(x)), steps + 1

    y, steps = tf.while_loop(lambda y, s: tf.reduce_max(y) < limit, body, [x, tf.constant(0)])
    return Flow(
        tf.reduce_sum(y), [x], [{x: [1.5, 1.2], limit: i} for i in (1.0, 3.0, 40.0, 1000.0)], [y, steps]
    )


def load(folder: Path) -> Graph:
    v1.train.write_graph(v1.get_default_graph(), str(folder), "graph.pb", as_text=False)
    return tfg.load(folder / "graph.pb")


def close(actual: Sequence[Any], expected: Sequence[Any], what: str) -> None:
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected):
        assert np.shape(a) == np.shape(e), what
        tol = 1e-5 if e.dtype == np.float32 else 1e-9
        np.testing.assert_allclose(a, e, rtol=tol, atol=tol / 1000, err_msg=what)


def shuffled(graph: Graph) -> Graph:
    order = np.random.RandomState(0).permutation(len(graph.nodes))
    return graph.with_nodes([graph.nodes[i] for i in order])


@pytest.fixture
def first_kind() -> Any:
    enabled = v1.control_flow_v2_enabled()
    v1.disable_control_flow_v2()
    yield
    if enabled:
        v1.enable_control_flow_v2()


@pytest.mark.usefixtures("first_kind")
@pytest.mark.parametrize("name", FLOWS)
def test_values_and_gradients_are_those_of_tensorflow(name: str, tmp_path: Path) -> None:
    with v1.Graph().as_default():
        model = FLOWS[name]()
        fetches = [model.y, *model.fetches]
        init = v1.global_variables_initializer().name
        graph = load(tmp_path)
        theirs = [tf.convert_to_tensor(x) for x in v1.gradients(model.y, list(model.xs))]
        with v1.Session(config=plain_config()) as session:
            session.run(init)
            expected = [session.run([fetches, theirs], feeds) for feeds in model.feeds]
        outputs, ys = [t.name for t in fetches], model.y.name
        xs = [x.handle.name if hasattr(x, "handle") else x.op.name for x in model.xs]
        feeds = [{t.name: v for t, v in each.items()} for each in model.feeds]
    for form in (graph, shuffled(graph)):
        g = tfg.GraphBuilder(form)
        found = tfg.add_gradients(g, [g.tensor(ys)], [g.tensor(x) for x in xs])
        gradients = [t.name for t in (dense(g, x) for x in found) if t is not None]
        made = g.graph()
        with tfg.Session(made) as session:
            session.run(targets=[init])
            for each, (values_, gradients_) in zip(feeds, expected):
                close(session.run(outputs, each), values_, "values")
                close(session.run(gradients, each), gradients_, "gradients")
    compare_in_tensorflow(made, init, gradients, feeds, [e[1] for e in expected])


def compare_in_tensorflow(
    graph: Graph,
    init: str,
    fetches: Sequence[str],
    feeds: Sequence[dict[str, Any]],
    expected: Sequence[Any],
) -> None:
    with v1.Graph().as_default() as imported:
        tf.graph_util.import_graph_def(to_graph_def(graph), name="")
        tensors = [imported.get_tensor_by_name(f if ":" in f else f + ":0") for f in fetches]
        with v1.Session(graph=imported, config=plain_config()) as session:
            session.run(imported.get_operation_by_name(init))
            for each, wanted in zip(feeds, expected):
                close(
                    session.run(tensors, each), wanted, "gradients of the graph that tfg made, in TensorFlow"
                )
