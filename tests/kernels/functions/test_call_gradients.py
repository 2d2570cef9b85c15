"""Gradients of calls: made once for each function, and those that the library registers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt.attributes import Function
from tfg.graphfmt.graph import Graph
from tfg.kernels.builder.graph_builder import GraphBuilder, Tensor
from tfg.runtime.passes.gradients.backpropagation import differentiate


def call(g: GraphBuilder, function: str, *inputs: Any, results: int = 1, name: str | None = None) -> Any:
    found = g.PartitionedCall(list(inputs), f=function, Tout=["float"] * results, name=name)
    return found[0] if results == 1 else found


def nested(depth: int, calls: int) -> Graph:
    """``y = F<depth>(x)``, where F0 is the sine and each other function the one before, ``calls`` times in turn."""
    g = GraphBuilder()
    g.function("F0", lambda b, x: b.Sin(x), "float")

    def body(k: int) -> Any:
        def apply(b: GraphBuilder, x: Tensor) -> Tensor:
            for _ in range(calls):
                x = call(b, f"F{k - 1}", x)
            return b.Sin(x) if calls == 1 else x

        return apply

    for k in range(1, depth + 1):
        g.function(f"F{k}", body(k), "float")
    call(g, f"F{depth}", g.placeholder("float", [], name="x"), name="y")
    return g.graph()


def derivative_of_sines(times: int, x: float) -> float:
    slope = 1.0
    for _ in range(times):
        slope *= np.cos(x)
        x = np.sin(x)
    return slope


def gradient_of_x(graph: Graph, loss: str, x: float) -> float:
    with tfg.Session(differentiate(graph, loss, ["x"])) as session:
        return float(session.run(["grad/x"], {"x": x})[0])


def test_a_function_is_differentiated_once_for_all_calls() -> None:
    made = differentiate(nested(6, calls=2), "y", ["x"])
    assert len(made.functions) == 3 * 6 + 2
    assert len(differentiate(nested(12, calls=2), "y", ["x"]).functions) == 3 * 12 + 2
    assert gradient_of_x(nested(6, calls=2), "y", 0.5) == pytest.approx(derivative_of_sines(64, 0.5))


def test_the_parts_of_a_function_have_few_results() -> None:
    made = differentiate(nested(8, calls=3), "y", ["x"])
    assert max(len(f.outputs) for f in made.functions) < 10
    assert gradient_of_x(nested(4, calls=3), "y", 0.5) == pytest.approx(derivative_of_sines(81, 0.5))


def test_a_second_derivative_through_packed_values() -> None:
    graph = nested(4, calls=2)
    g = GraphBuilder(graph)
    (first,) = tfg.add_gradients(g, [g.tensor("y")], [g.tensor("x")])
    assert isinstance(first, Tensor)
    with tfg.Session(differentiate(g.graph(), first.name, ["x"])) as session:
        second = session.run(["grad/x"], {"x": 0.5})[0]
    step = 1e-3
    slopes = [derivative_of_sines(16, 0.5 + s) for s in (-step, step)]
    assert float(second) == pytest.approx((slopes[1] - slopes[0]) / (2 * step), rel=1e-3)


def test_a_long_chain_of_calls_needs_no_recursion() -> None:
    assert gradient_of_x(nested(300, calls=1), "y", 0.5) == pytest.approx(derivative_of_sines(301, 0.5))


def test_calls_with_other_shapes_have_other_gradients() -> None:
    g = GraphBuilder()
    g.function("square", lambda b, x: b.Mul(x, x), "float")
    x = g.placeholder("float", [], name="x")
    row = g.placeholder("float", [2], name="row")
    g.AddV2(call(g, "square", x), g.Sum(call(g, "square", row), [0]), name="y")
    with tfg.Session(differentiate(g.graph(), "y", ["x", "row"])) as session:
        dx, drow = session.run(["grad/x", "grad/row"], {"x": 3, "row": [1, 2]})
    assert (float(dx), drow.tolist()) == (6, [2, 4])


# Gradients that the library registers.


def registered(name: str = "slope", *types: str) -> GraphBuilder:
    """``f(x) = x * x, n + 1, x + 1``, whose registered gradient is another than its own."""
    g = GraphBuilder()
    g.function("f", lambda b, x, n: [b.Mul(x, x), b.AddV2(n, 1), b.AddV2(x, 1.0)], "float", "int32")

    def slope(b: GraphBuilder, x: Tensor, n: Tensor, dy: Tensor, dn: Tensor, dz: Tensor) -> list[Tensor]:
        return [b.AddV2(b.Mul(dy, 100.0), b.Mul(dz, 10.0)), b.ZerosLike(n)]

    g.function("slope", slope, *(types or ("float", "int32", "float", "int32", "float")))
    return g


def with_gradient(g: GraphBuilder, gradient: str = "slope") -> Graph:
    return replace(g.graph(), gradients={"f": gradient})


def f(g: GraphBuilder, x: Tensor) -> list[Tensor]:
    return g.PartitionedCall([x, 3], f="f", Tout=["float", "int32", "float"], name="f_call")


@pytest.mark.parametrize(
    ("result", "slope"), [("f_call", 100), ("f_call:2", 10), ("y", 490), ("by_name", 100)]
)
def test_a_registered_gradient_has_all_inputs_and_all_gradients(result: str, slope: float) -> None:
    g = registered()
    x = g.placeholder("float", [], name="x")
    y, _, z = f(g, x)
    g.Mul(y, z, name="y")
    by_name = g.f(x, 3, name="named")
    g.Identity(by_name[0], name="by_name")
    assert gradient_of_x(with_gradient(g), result, 3) == slope


def test_a_registered_gradient_counts_within_functions_but_not_for_branches() -> None:
    g = registered()
    x = g.placeholder("float", [], name="x")
    g.function("calls", lambda b, x: f(b, x)[0], "float")
    call(g, "calls", x, name="y")
    g.If(True, [x, 3], Tout=["float", "int32", "float"], then_branch="f", else_branch="f", name="if")
    graph = with_gradient(g)
    assert gradient_of_x(graph, "y", 3) == 100
    assert gradient_of_x(graph, "if", 3) == 6


def test_a_symbolic_gradient_takes_the_gradients_of_integer_results_too() -> None:
    g = registered()
    x = g.placeholder("float", [], name="x")
    values = [x, 3, 1.0, 0, 0.0]
    g.SymbolicGradient(
        values,
        f=Function("f"),
        Tout=["float", "int32"],
        Tin=["float", "int32", "float", "int32", "float"],
        name="dx",
    )
    for graph, slope in ((g.graph(), 6), (with_gradient(g), 100)):
        with tfg.Session(graph) as session:
            assert session.run(["dx"], {"x": 3})[0] == slope


@pytest.mark.parametrize(
    ("gradient", "types", "status", "why"),
    [
        ("slop", (), "NOT_FOUND", "did you mean 'slope'?"),
        ("f", (), "INVALID_ARGUMENT", "function 'f' takes 2 arguments, not 5"),
    ],
)
def test_a_registered_gradient_that_does_not_fit(
    gradient: str, types: tuple[str, ...], status: str, why: str
) -> None:
    g = registered("slope", *types)
    f(g, g.placeholder("float", [], name="x"))
    with pytest.raises(tfg.TfgError) as caught:
        differentiate(with_gradient(g, gradient), "f_call", ["x"])
    error = caught.value
    assert (error.status, error.node) == (status, "f_call")
    assert why in error.message + str(error.hint)
