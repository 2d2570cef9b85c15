"""Functions of the library: what calls, conditionals and loops of them do, and what they say when they cannot."""

from __future__ import annotations

import threading
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt.attributes import Function
from tfg.graphfmt.graph import Graph
from tfg.graphfmt.text.reader import read_graph
from tfg.graphfmt.text.writer import write_graph
from tfg.kernels.core import registry, shapes
from tfg.runtime.execution import functions
from tfg.runtime.execution.session import Session
from tfg.runtime.passes import validation

from tests import reference

INT = 'attr { key: "T" value { type: DT_INT32 } }'


def placeholder(name: str = "n", dtype: str = "INT32") -> str:
    return (
        f'node {{ name: "{name}" op: "Placeholder" attr {{ key: "dtype" value {{ type: DT_{dtype} }} }} '
        'attr { key: "shape" value { shape { } } } }\n'
    )


def const(name: str, value: int) -> str:
    return (
        f'node_def {{ name: "{name}" op: "Const" attr {{ key: "dtype" value {{ type: DT_INT32 }} }} '
        f'attr {{ key: "value" value {{ tensor {{ dtype: DT_INT32 tensor_shape {{ }} int_val: {value} }} }} }} }}\n'
    )


def function(name: str, *body: str, ret: str) -> str:
    """A function of an int32 ``n`` that gives an int32 ``r``."""
    arguments = 'input_arg { name: "n" type: DT_INT32 } output_arg { name: "r" type: DT_INT32 }'
    return (
        f'function {{\nsignature {{ name: "{name}" {arguments} }}\n{"".join(body)}'
        f'ret {{ key: "r" value: "{ret}" }}\n}}\n'
    )


def call(op: str, name: str = "y", source: str = "n") -> str:
    return f'node {{ name: "{name}" op: "{op}" input: "{source}" }}\n'


FACTORIAL = function(
    "factorial",
    const("one", 1),
    f'node_def {{ name: "more" op: "Greater" input: "n" input: "one:output:0" {INT} }}\n',
    'node_def { name: "if" op: "If" input: "more:z:0" input: "n" attr { key: "Tcond" value { type: DT_BOOL } } '
    'attr { key: "Tin" value { list { type: DT_INT32 } } } attr { key: "Tout" value { list { type: DT_INT32 } } } '
    'attr { key: "then_branch" value { func { name: "step" } } } '
    'attr { key: "else_branch" value { func { name: "unit" } } } }\n',
    ret="if:output:0",
) + function(
    "step",
    const("one", 1),
    f'node_def {{ name: "less" op: "Sub" input: "n" input: "one:output:0" {INT} }}\n',
    'node_def { name: "rest" op: "factorial" input: "less:z:0" }\n',
    f'node_def {{ name: "product" op: "Mul" input: "n" input: "rest:r:0" {INT} }}\n',
    ret="product:z:0",
) + function("unit", const("one", 1), ret="one:output:0")  # fmt: skip


def graph_of(nodes: str, library: str) -> Graph:
    return read_graph(f"{nodes}library {{\n{library}}}\n", "graph.pbtxt")


def error_of(session: Session, *args: Any, **kwargs: Any) -> tfg.TfgError:
    with pytest.raises(tfg.TfgError) as caught:
        session.run(*args, **kwargs)
    return caught.value


def test_a_function_may_call_itself() -> None:
    graph = graph_of(placeholder() + call("factorial"), FACTORIAL)
    assert validation.faults(graph) == []
    assert Session(graph).run(["y"], {"n": 6})[0] == 720
    assert reference.run(graph, ["y"], {"n": np.int32(6)})[0] == 720
    assert Session(graph).run(["y"], {"n": 200})[0] == 0


def test_endless_recursion_is_told_of_with_its_cycle() -> None:
    library = function("ping", call_def("pong"), ret="to:r:0") + function(
        "pong", call_def("ping"), ret="to:r:0"
    )
    graph = graph_of(placeholder() + call("ping"), library)
    assert validation.faults(graph) == []
    error = error_of(Session(graph), ["y"], {"n": 1})
    assert error.status == "RESOURCE_EXHAUSTED"
    assert "ping -> pong -> ping" in error.message
    assert error.node is not None
    assert error.node.startswith("y/")
    assert len(error.node) < 300


def call_def(op: str) -> str:
    return f'node_def {{ name: "to" op: "{op}" input: "n" }}\n'


def test_a_long_chain_of_calls_is_no_recursion_of_ours() -> None:
    count = 3000
    library = "".join(function(f"f{i}", call_def(f"f{i + 1}"), ret="to:r:0") for i in range(count))
    library += function(f"f{count}", ret="n")
    graph = graph_of(placeholder() + call("f0"), library)
    assert validation.faults(graph) == []
    assert error_of(Session(graph), ["y"], {"n": 1}).status == "RESOURCE_EXHAUSTED"
    near = graph_of(placeholder() + call(f"f{count - 300}"), library)
    assert Session(near).run(["y"], {"n": 1})[0] == 1


def test_deep_recursion_is_safe_in_threads() -> None:
    session = Session(graph_of(placeholder() + call("factorial"), FACTORIAL))
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(error_of(session, ["y"], {"n": 10_000}).status))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["RESOURCE_EXHAUSTED"] * 4


def test_an_error_in_a_body_names_the_callers_and_its_line() -> None:
    inner = function(
        "inner",
        const("zero", 0),
        f'node_def {{ name: "halved" op: "FloorDiv" input: "n" input: "zero:output:0" {INT} }}\n',
        ret="halved:z:0",
    )
    outer = function("outer", call_def("inner"), ret="to:r:0")
    graph = graph_of(placeholder() + call("outer"), outer + inner)
    error = error_of(Session(graph), ["y"], {"n": 1})
    assert (error.status, error.node) == ("INVALID_ARGUMENT", "y/to/halved")
    assert str(error.location) == "graph.pbtxt:12:1"


@pytest.mark.parametrize(
    ("attrs", "status", "words"),
    [
        ('name: "factoral"', "NOT_FOUND", "'factoral'"),
        ('name: "unary"', "INVALID_ARGUMENT", "takes 0 arguments, not 1"),
        ('name: "texts"', "INVALID_ARGUMENT", "argument 0 of function 'texts' is string, not int32"),
        ('name: "broken"', "INVALID_ARGUMENT", "unknown input 'm:z:0'"),
        ('name: "nothing"', "NOT_FOUND", "'Mull'"),
    ],
)
def test_a_call_that_cannot_be_has_a_status(attrs: str, status: str, words: str) -> None:
    library = FACTORIAL + function(
        "broken", 'node_def { name: "k" op: "Neg" input: "m:z:0" ' + INT + "}\n", ret="k:y:0"
    )
    library += function("nothing", f'node_def {{ name: "k" op: "Mull" input: "n" {INT} }}\n', ret="k:y:0")
    library += 'function { signature { name: "unary" output_arg { name: "r" type: DT_INT32 } }\n'
    library += const("k", 1) + 'ret { key: "r" value: "k:output:0" } }\n'
    library += 'function { signature { name: "texts" input_arg { name: "n" type: DT_STRING } '
    library += (
        'output_arg { name: "r" type: DT_INT32 } }\n'
        + const("k", 1)
        + 'ret { key: "r" value: "k:output:0" } }\n'
    )
    types = " ".join(f'attr {{ key: "{t}" value {{ list {{ type: DT_INT32 }} }} }}' for t in ("Tin", "Tout"))
    types += f' attr {{ key: "f" value {{ func {{ {attrs} }} }} }}'
    node = f'node {{ name: "y" op: "PartitionedCall" input: "n" {types} }}\n'
    graph = graph_of(placeholder() + node, library)
    error = error_of(Session(graph), ["y"], {"n": 1})
    assert error.status == status
    assert words in error.message
    assert error.location is not None
    assert error.location.line


def test_all_faults_of_bodies_are_found() -> None:
    library = function(
        "bad",
        f'node_def {{ name: "a" op: "Mull" input: "n" {INT} }}\n',
        f'node_def {{ name: "b" op: "Mul" input: "n" input: "m:z:0" {INT} }}\n',
        'node_def { name: "c" op: "Neg" input: "n" attr { key: "T" value { type: DT_FLOAT } } }\n',
        f'node_def {{ name: "d" op: "Neg" input: "n" {INT} attr {{ key: "T" value {{ i: 1 }} }} }}\n',
        f'node_def {{ name: "e" op: "Mul" input: "n" {INT} }}\n',
        f'node_def {{ name: "f" op: "Neg" input: "a:y:0" {INT} }}\n',
        ret="f:y:0",
    )
    node = f'node {{ name: "call" op: "bad" input: "n" {INT} }}\n'
    found = validation.faults(graph_of(placeholder() + node, library))
    assert [(e.node, e.location.line) for e in found if e.location] == [
        (f"bad/{name}", 6 + i) for i, name in enumerate("abcde")
    ]
    assert len(found) == 5


def test_attributes_are_given_by_the_caller() -> None:
    library = (
        'function { signature { name: "sum" input_arg { name: "xs" type_attr: "T" number_attr: "N" } '
        'output_arg { name: "r" type_attr: "T" } attr { name: "T" type: "type" } attr { name: "N" type: "int" } }\n'
        'node_def { name: "s" op: "AddN" input: "xs" attr { key: "T" value { placeholder: "T" } } '
        'attr { key: "N" value { placeholder: "N" } } }\n'
        'ret { key: "r" value: "s:sum:0" } }\n'
    )
    nodes = placeholder("a") + placeholder("b", "FLOAT")
    attrs = 'attr {{ key: "T" value {{ type: DT_{} }} }} attr {{ key: "N" value {{ i: {} }} }}'
    nodes += f'node {{ name: "y" op: "sum" input: "a" input: "a" {attrs.format("INT32", 2)} }}\n'
    nodes += f'node {{ name: "z" op: "sum" input: "b" input: "b" input: "b" {attrs.format("FLOAT", 3)} }}\n'
    graph = graph_of(nodes, library)
    assert validation.faults(graph) == []
    found = Session(graph).run(["y", "z"], {"a": 2, "b": 1.5})
    assert [x.dtype for x in found] == [np.int32, np.float32]
    assert [float(x) for x in found] == [4, 4.5]
    assert read_graph(write_graph(graph), "again").functions == graph.functions


def counting() -> Any:
    """An operation that counts its calls."""
    counted = registry.find("CountedInFunctions") or registry.Family(__name__).op(
        "CountedInFunctions(x: float) -> (y: float)", shape=shapes.like_input
    )

    @counted.kernel
    def _(xp: Any, x: Any) -> Any:
        calls.append(x)
        return x

    return counted


calls: list[Any] = []


def test_a_branch_that_is_not_taken_costs_nothing() -> None:
    counting()
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [2], name="x")
    p = g.placeholder("bool", [], name="p")
    y = g.cond(p, lambda b: b.CountedInFunctions(x), lambda b: b.Neg(x), name="y")
    session = Session(g.graph())
    calls.clear()
    np.testing.assert_array_equal(session.run([y.name], {"x": [1, 2], "p": False})[0], [-1, -2])
    assert calls == []
    np.testing.assert_array_equal(session.run([y.name], {"x": [1, 2], "p": True})[0], [1, 2])
    assert len(calls) == 1


def test_builders_write_functions_conditionals_and_loops() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None], name="x")
    v = g.VarHandleOp(dtype="float", shape=[], name="v")
    g.AssignVariableOp(v, 2.0, name="init")
    square = g.function("square", lambda b, a: b.Mul(a, a), ("float", [None]))
    y = g.PartitionedCall([x], f=square, Tout=["float"], name="y")[0]
    by_name = g.square(y, name="by_name")

    def body(b: Any, i: Any, a: Any) -> Any:
        grown = b.cond(
            b.Greater(i, 0), lambda c: c.Mul(a, c.ReadVariableOp(v, dtype="float")), lambda c: c.Neg(a)
        )
        return i + 1, grown

    i, z = g.while_loop(lambda b, i, a: b.Less(i, 3), body, [0, by_name], name="loop")
    dx, dv = tfg.add_gradients(g, [g.Sum(z, 0)], [x, v])
    graph = g.graph()
    assert validation.faults(graph) == []
    session = Session(graph)
    session.run(targets=["init"])
    names = [t.name for t in (i, z, dx, dv)]
    found = session.run(names, {"x": [1, 2]})
    np.testing.assert_array_equal(found[1], [-4, -64])
    np.testing.assert_array_equal(found[2], [-16, -128])
    np.testing.assert_array_equal(found[3], -68)
    again = Session(read_graph(write_graph(graph), "again.pbtxt"))
    again.run(targets=["init"])
    for a, b in zip(again.run(names, {"x": [1, 2]}), found):
        np.testing.assert_array_equal(a, b)
    context = reference.Context()
    reference.run(graph, ["init"], {}, context)
    for a, b in zip(reference.run(graph, names, {"x": np.array([1, 2], np.float32)}, context), found):
        np.testing.assert_array_equal(a, b)


def test_a_builder_refuses_what_no_function_can_be() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [], name="x")
    g.function("f", lambda b, a: a, "float")
    with pytest.raises(tfg.TfgError, match="already"):
        g.function("f", lambda b, a: a, "float")
    with pytest.raises(tfg.TfgError, match="'x'"):
        g.function("h", lambda b, a: b.Mul(a, x), "float")
    with pytest.raises(tfg.TfgError, match="same types"):
        g.cond(True, lambda b: x, lambda b: b.constant(1))
    with pytest.raises(tfg.TfgError, match="types of the loop variables"):
        g.while_loop(lambda b, a: b.constant(True), lambda b, a: b.constant(1), [x])


def endless() -> Session:
    g = tfg.GraphBuilder()
    g.while_loop(lambda b, i: b.GreaterEqual(i, 0), lambda b, i: b.Mul(i, 1), [0], name="loop")
    return Session(g.graph())


def test_an_endless_loop_ends_with_its_time() -> None:
    session = endless()
    start = time.perf_counter()
    error = error_of(session, ["loop"], timeout=0.2)
    assert error.status == "DEADLINE_EXCEEDED"
    assert time.perf_counter() - start < 2


def test_an_endless_loop_ends_with_its_session() -> None:
    session = endless()
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(error_of(session, ["loop"]).status))
    thread.start()
    time.sleep(0.1)
    session.close()
    thread.join(5)
    assert found == ["CANCELLED"]


def test_a_long_loop_keeps_no_more_than_its_state() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None], name="x")
    _, y = g.while_loop(
        lambda b, i, a: b.Less(i, 2000), lambda b, i, a: (i + 1, b.Mul(a, 0.5)), [0, x], name="loop"
    )
    session = Session(g.graph())
    feeds = {"x": np.ones(1 << 18, np.float32)}
    session.run([y.name], {"x": [1.0]})
    tracemalloc.start()
    session.run([y.name], feeds)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 << 20


def test_a_loop_may_run_zero_times() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("string", [None], name="x")
    (y,) = g.while_loop(lambda b, a: b.constant(False), lambda b, a: b.StringUpper(a), [x])
    assert Session(g.graph()).run([y.name], {"x": ["a"]})[0].tolist() == [b"a"]


def test_bodies_may_wait_and_branch_in_the_old_way() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [], name="x")

    def body(b: Any, a: Any) -> Any:
        low, high = b.Switch(a, b.Greater(a, 0.0))
        return b.Merge([b.Neg(low), b.Mul(high, 2.0)])[0]

    f = g.function("old", body, "float")
    y = g.PartitionedCall([x], f=f, Tout=["float"], name="y")[0]
    session = Session(g.graph())
    assert [float(session.run([y.name], {"x": v})[0]) for v in (3, -4)] == [6, 4]


def test_a_function_may_be_fed_around_and_fetched_in_part() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [], name="x")
    f = g.function("two", lambda b, a: [b.Neg(a), b.Mul(a, a)], "float")
    _, second = g.PartitionedCall([x], f=f, Tout=["float", "float"], name="y")
    z = g.AddV2(second, 1.0, name="z")
    session = Session(g.graph())
    assert session.run([z.name], {"y:1": 5})[0] == 6
    assert session.run([z.name], {"x": 5})[0] == 26


def test_a_symbolic_gradient_is_made_when_it_is_called() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None], name="x")
    f = g.function("cube", lambda b, a: b.Mul(b.Mul(a, a), a), "float")
    dy = g.OnesLike(x)
    dx = g.SymbolicGradient([x, dy], f=Function(f), Tout=["float"], name="dx")[0]
    np.testing.assert_array_equal(Session(g.graph()).run([dx.name], {"x": [1, 2]})[0], [3, 12])


def test_a_symbolic_gradient_may_be_named_by_the_library() -> None:
    library = function("f", f'node_def {{ name: "m" op: "Mul" input: "n" input: "n" {INT} }}\n', ret="m:z:0")
    library += (
        'function { signature { name: "df" input_arg { name: "n" type: DT_INT32 } '
        'input_arg { name: "dy" type: DT_INT32 } output_arg { name: "dx" type: DT_INT32 } }\n'
        f'node_def {{ name: "m" op: "AddV2" input: "n" input: "dy" {INT} }}\n'
        'ret { key: "dx" value: "m:z:0" } }\n'
        'gradient { function_name: "f" gradient_func: "df" }\n'
    )
    types = 'attr { key: "Tout" value { list { type: DT_INT32 } } } attr { key: "f" value { func { name: "f" } } }'
    node = f'node {{ name: "y" op: "SymbolicGradient" input: "n" input: "n" {types} '
    node += 'attr { key: "Tin" value { list { type: DT_INT32 type: DT_INT32 } } } }\n'
    assert Session(graph_of(placeholder() + node, library)).run(["y"], {"n": 4})[0] == 8
    short = node.replace('input: "n" input: "n"', 'input: "n"').replace(
        "type: DT_INT32 type: DT_INT32", "type: DT_INT32"
    )
    error = error_of(Session(graph_of(placeholder() + short, library)), ["y"], {"n": 4})
    assert (error.status, error.node) == ("INVALID_ARGUMENT", "y")


def test_plans_of_bodies_are_shared() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [2], name="x")
    f = g.function("negative", lambda b, a: b.Neg(a), "float")
    for i in range(5):
        x = g.PartitionedCall([x], f=f, Tout=["float"], name=f"y{i}")[0]
    session = Session(g.graph())
    assert session.run([x.name], {"x": [1, 2]})[0].tolist() == [-1, -2]
    held = session._functions
    assert isinstance(held, functions.Functions)
    assert len(held._plans) == 1


def test_a_function_that_calls_itself_has_a_gradient() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [], name="x")
    n = g.placeholder("int32", [], name="n")

    def grown(b: Any, n: Any, a: Any) -> Any:
        return b.Mul(a, b.PartitionedCall([n - 1, a], f="power", Tout=["float"])[0])

    def power(b: Any, n: Any, a: Any) -> Any:
        return b.StatelessIf(
            b.Greater(n, 1), [n, a], then_branch="grown", else_branch="second", Tout=["float"]
        )[0]

    g.function("second", lambda b, n, a: a, "int32", "float")
    stub = tfg.GraphBuilder()
    stub.function("power", lambda b, n, a: a, "int32", "float")
    stub.function("grown", grown, "int32", "float")
    g.add_function(stub.graph().functions[1])
    g.function("power", power, "int32", "float")
    y = g.PartitionedCall([n, x], f="power", Tout=["float"], name="y")[0]
    (dx,) = tfg.add_gradients(g, [y], [x])
    found = Session(g.graph()).run([y.name, dx.name], {"x": 2, "n": 5})
    assert [float(v) for v in found] == [32, 80]


@pytest.mark.parametrize("name", ["MatMul", "twice", ""])
def test_names_of_functions_are_their_own(name: str) -> None:
    library = function("twice", ret="n") + function(name, ret="n")
    with pytest.raises(tfg.TfgError) as caught:
        Session(graph_of(placeholder(), library))
    assert caught.value.status == "INVALID_ARGUMENT"


def for_loop() -> Session:
    """``for i in range(start, limit, delta): a, b = a + i, a * b``"""
    g = tfg.GraphBuilder()

    def body(g: tfg.GraphBuilder, i: Any, a: Any, b: Any) -> list[Any]:
        return [a + g.Cast(i, DstT="float"), a * b]

    function = g.function("body", body, ("int32", []), ("float", []), ("float", []))
    bounds = [g.placeholder("int32", [], name=name) for name in ("start", "limit", "delta")]
    x = g.placeholder("float", [], name="x")
    g.For(*bounds, [x, x], body=function, name="loop")
    return Session(g.graph())


@pytest.mark.parametrize(
    ("start", "limit", "delta", "expected"),
    [(0, 5, 1, (12, 960)), (5, 0, -2, (11, 280)), (3, 3, 1, (2, 2)), (3, 3, 0, (2, 2))],
)
def test_a_for_counts(start: int, limit: int, delta: int, expected: tuple[float, float]) -> None:
    feeds = {"start": start, "limit": limit, "delta": delta, "x": 2.0}
    assert tuple(for_loop().run(["loop", "loop:1"], feeds)) == expected


@pytest.mark.parametrize(("start", "limit", "delta"), [(3, 0, 1), (0, 5, -1), (0, 5, 0)])
def test_a_for_that_never_ends_is_refused(start: int, limit: int, delta: int) -> None:
    with pytest.raises(tfg.TfgError, match="would not terminate"):
        for_loop().run(["loop"], {"start": start, "limit": limit, "delta": delta, "x": 2.0})
