"""What Python shows of builders, graphs and sessions."""

from __future__ import annotations

import inspect

import tfg
from tfg.kernels.core import registry


def test_dir_lists_operations_and_functions() -> None:
    g = tfg.GraphBuilder()
    g.function("negative", lambda b, x: b.Neg(x), "float")
    assert {"MatMul", "negative", "placeholder"} <= set(dir(g))
    assert all(hasattr(g, name) for name in dir(g))


def test_help_shows_inputs_attributes_and_outputs() -> None:
    g = tfg.GraphBuilder()
    assert str(inspect.signature(g.MatMul)).startswith("(a, b, /, *, transpose_a=False, transpose_b=False")
    assert "-> (product: T)" in str(g.MatMul.__doc__)
    g.function("negative", lambda b, x: b.Neg(x), "float")
    assert g.negative.__doc__ == "Adds a call of the function negative."


def test_every_operation_can_be_described() -> None:
    g = tfg.GraphBuilder()
    for op in registry.all_ops():
        if not op.name.startswith("_"):
            assert "name" in inspect.signature(getattr(g, op.name)).parameters


def test_representations_are_short() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [2], name="x")
    assert (repr(g), repr(x)) == ("<GraphBuilder: nodes 1>", "<x: float[2]>")
    assert repr(g.graph()) == "<Graph: nodes 1, functions 0>"
    with tfg.Session(g.graph()) as session:
        assert repr(session) == "<Session: <Graph: nodes 1, functions 0>>"
