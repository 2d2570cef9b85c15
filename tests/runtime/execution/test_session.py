"""Sessions: what is fed, fetched and run, and what is left behind."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt.graph import Graph, Node
from tfg.graphfmt.text.reader import read_graph
from tfg.kernels.core import registry, shapes
from tfg.runtime.execution.session import MAX_PLANS, Session

from tests import reference


def status_of(session: Session, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(tfg.TfgError) as caught:
        session.run(*args, **kwargs)
    return caught.value.status


def small() -> tuple[tfg.GraphBuilder, Session]:
    """x, y = x * w + 1, z = -y, and a variable that ``up`` counts up."""
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 2], name="x")
    y = g.AddV2(x * g.constant([2.0, 3.0]), 1.0, name="y")
    g.Neg(y, name="z")
    counter = g.VariableV2(shape=[], dtype="float", name="counter")
    g.Assign(counter, 0.0, name="init")
    g.AssignAdd(counter, 1.0, name="up")
    return g, Session(g.graph())


def test_a_step_computes_what_is_fetched() -> None:
    _, session = small()
    y, z = session.run(["y", "z:0"], {"x": [[1, 2], [3, 4]]})
    np.testing.assert_array_equal(y, np.array([[3, 7], [7, 13]], np.float32))
    np.testing.assert_array_equal(z, -y)


def test_any_edge_may_be_fed_and_what_is_behind_it_does_not_run() -> None:
    _, session = small()
    (z,) = session.run(["z"], {"y:0": [[1.0, 2.0]]})
    np.testing.assert_array_equal(z, [[-1, -2]])


def test_targets_run_for_their_effect() -> None:
    _, session = small()
    session.run(targets=["init"])
    for _ in range(3):
        session.run(targets=["up"])
    assert session.run(["counter"])[0] == 3


def test_what_changes_state_runs_even_where_only_its_shape_is_asked_for() -> None:
    g = tfg.GraphBuilder()
    counter = g.VariableV2(shape=[3], dtype="float", name="counter")
    g.Assign(counter, [0.0, 0.0, 0.0], name="init")
    g.Shape(g.AssignAdd(counter, [1.0, 2.0, 3.0]), name="shape")
    session = Session(g.graph())
    session.run(targets=["init"])
    assert session.run(["shape"])[0].tolist() == [3]
    assert session.run(["counter"])[0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("fetches", "feeds", "targets", "status"),
    [
        ([], {}, [], "INVALID_ARGUMENT"),
        (["nothing"], {}, [], "NOT_FOUND"),
        (["y:1"], {"x": [[1, 2]]}, [], "INVALID_ARGUMENT"),
        (["y"], {}, [], "INVALID_ARGUMENT"),
        (["y"], {"x": [[1, 2]], "x:0": [[1, 2]]}, [], "INVALID_ARGUMENT"),
        (["y"], {"x": [[1, 2, 3]]}, [], "INVALID_ARGUMENT"),
        (["y"], {"x": "text"}, [], "INVALID_ARGUMENT"),
        (["counter"], {}, [], "FAILED_PRECONDITION"),
    ],
)
def test_a_step_that_cannot_be_has_a_status(fetches: Any, feeds: Any, targets: Any, status: str) -> None:
    _, session = small()
    assert status_of(session, fetches, feeds, targets) == status


def test_an_error_names_the_node_and_its_line() -> None:
    text = (
        'node { name: "a" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }\n'
        'node { name: "b" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }\n'
        'node { name: "c" op: "Mul" input: "a" input: "b" attr { key: "T" value { type: DT_FLOAT } } }\n'
    )
    session = Session(read_graph(text, "small.pbtxt"))
    with pytest.raises(tfg.TfgError) as caught:
        session.run(["c"], {"a": [1, 2], "b": [1, 2, 3]})
    assert (caught.value.node, str(caught.value.location)) == ("c", "small.pbtxt:3:1")


def test_a_fetched_value_does_not_change_later() -> None:
    _, session = small()
    session.run(targets=["init"])
    (before,) = session.run(["counter"])
    session.run(targets=["up"])
    assert before == 0


def test_a_fed_array_is_never_written_to() -> None:
    g = tfg.GraphBuilder()
    a = g.placeholder("float", [1000], name="a")
    b = a
    for _ in range(5):
        b = b * a + a
    g.Identity(b, name="b")
    fed = np.full(1000, 0.5, np.float32)
    first = Session(g.graph()).run(["b"], {"a": fed})[0]
    np.testing.assert_array_equal(fed, np.full(1000, 0.5, np.float32))
    np.testing.assert_array_equal(first, reference.run(g.graph(), ["b"], {"a": fed})[0])


def test_only_ancestors_of_what_is_asked_for_run() -> None:
    calls: list[str] = []
    counting = registry.find("CountingForTests") or registry.Family(__name__).op(
        "CountingForTests(x: float) -> (y: float)", shape=shapes.like_input, stateful=True
    )

    @counting.kernel
    def _(xp: Any, x: Any, *, node_name: str) -> Any:
        calls.append(node_name)
        return x

    g = tfg.GraphBuilder()
    x = g.placeholder("float", [], name="x")
    a = g.CountingForTests(x, name="a")
    g.CountingForTests(a, name="b")
    g.CountingForTests(x, name="c")
    Session(g.graph()).run(["b"], {"x": 1.0})
    assert calls == ["a", "b"]
    calls.clear()
    Session(g.graph()).run(["b"], {"a": 1.0})
    assert calls == ["b"]


def test_control_dependencies_are_happens_before() -> None:
    g = tfg.GraphBuilder()
    v = g.VariableV2(shape=[], dtype="int32", name="v")
    first = g.Assign(v, 1, name="first")
    with g.control_dependencies([first]):
        second = g.AssignAdd(v, 10, name="second")
    with g.control_dependencies([second]):
        g.Identity(v, name="read")
    assert Session(g.graph()).run(["read"])[0] == 11


def test_concurrent_steps_share_variables_and_nothing_else() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("int64", [], name="x")
    v = g.VariableV2(shape=[], dtype="int64", name="v")
    g.Assign(v, g.constant(0, "int64"), name="init")
    g.AssignAdd(v, x, name="add")
    g.Identity(x * x, name="square")
    session = Session(g.graph())
    session.run(targets=["init"])

    def work(number: int) -> bool:
        return all(session.run(["square"], {"x": number}, ["add"])[0] == number * number for _ in range(100))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(8)))
    assert session.run(["v"])[0] == 100 * sum(range(8))


def test_a_second_step_of_a_kind_builds_no_plan() -> None:
    _, session = small()
    assert session.plan(["y"], ["x"]) is session.plan(["y"], ["x"])


def test_a_closed_session_runs_nothing() -> None:
    _, session = small()
    session.close()
    assert status_of(session, ["y"], {"x": [[1, 2]]}) == "CANCELLED"


def test_a_graph_with_two_nodes_of_one_name_is_refused() -> None:
    node = Node("a", "NoOp")
    with pytest.raises(tfg.TfgError, match="not unique"):
        Session(Graph((node, node)))


def test_state_goes_from_session_to_session(tmp_path: Path) -> None:
    g, session = small()
    session.run(targets=["init"])
    session.run(targets=["up"])
    session.save(tmp_path / "state.h5", {"step": 1})
    other = Session(g.graph())
    assert other.restore(tmp_path / "state.h5") == {"step": 1}
    assert other.run(["counter"])[0] == 1
    other.run(targets=["up"])
    assert other.run(["counter"])[0] == 2


# Operations that wait.


def waiting_op() -> registry.Op:
    """A node whose value comes when somebody calls what it left in ``PARKED``."""
    return registry.find("WaitForTests") or registry.Family(__name__).op(
        "WaitForTests(x: float) -> (y: float)", shape=shapes.like_input, stateful=True, asynchronous=True
    )


PARKED: list[Any] = []


@waiting_op().kernel
def _(ctx: Any, xp: Any, x: Any, *, done: Any) -> None:
    PARKED.append(lambda: done(x + 1))


def test_nodes_that_wait_hold_up_only_what_needs_them() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [], name="x")
    slow = g.WaitForTests(x, name="slow")
    v = g.VariableV2(shape=[], dtype="float", name="v")
    g.Assign(v, x * 2.0, name="meanwhile")
    g.AddV2(slow, g.WaitForTests(x * 10.0, name="slower"), name="sum")
    session = Session(g.graph())
    PARKED.clear()
    found: list[Any] = []
    thread = threading.Thread(
        target=lambda: found.extend(session.run(["sum"], {"x": 1.0}, ["meanwhile"])), daemon=True
    )
    thread.start()
    while len(PARKED) < 2:
        pass
    assert session.run(["v"])[0] == 2
    for park in reversed(PARKED):
        park()
    thread.join(10)
    assert found == [13]


def test_a_step_that_waits_too_long_ends() -> None:
    g = tfg.GraphBuilder()
    g.WaitForTests(g.placeholder("float", [], name="x"), name="slow")
    session = Session(g.graph())
    assert status_of(session, ["slow"], {"x": 1.0}, timeout=0.1) == "DEADLINE_EXCEEDED"


def test_what_a_step_keeps_for_itself_goes_with_it() -> None:
    g = tfg.GraphBuilder()
    v = g.TemporaryVariable(shape=[], dtype="float", var_name="v", name="v")
    g.Assign(v, 1.0, name="leak")
    session = Session(g.graph())
    session.run(targets=["leak"])
    assert session.resources.save() == {}


def test_what_a_step_keeps_for_itself_is_no_state_to_save() -> None:
    g = tfg.GraphBuilder()
    stack = g.StackV2(10, elem_type="float", name="stack")
    pushed = g.StackPushV2(stack, 1.0, name="pushed")
    with g.control_dependencies([pushed]):
        g.StackPopV2(stack, elem_type="float", name="popped")
    session = Session(g.graph())
    assert session.run(["popped"])[0] == 1
    assert not session.plan(["popped"]).changes_state


def test_a_session_keeps_the_plans_of_the_signatures_used_last() -> None:
    g = tfg.GraphBuilder()
    names = [g.constant(float(n), name=f"c{n}").node for n in range(MAX_PLANS + 20)]
    session = Session(g.graph())
    for name in names:
        session.run([name])
        session.run([names[0]])
    assert len(session._plans) == MAX_PLANS
    kept = {key[0][0] for key in session._plans}
    assert {names[0], names[-1]} <= kept
    assert names[1] not in kept
