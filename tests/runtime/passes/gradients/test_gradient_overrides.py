"""Gradients that nodes state with ``_gradient_op_type``."""

from __future__ import annotations

from typing import Any

import pytest
import tfg
from tfg.runtime.passes.gradients.backpropagation import differentiate


def gradient(op: str, stated: bytes) -> Any:
    """The gradient at [1, -2] of an operation that states the gradient of another one."""
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [2], name="x")
    with g.attributes(_gradient_op_type=stated):
        getattr(g, op)(x, name="y")
    with tfg.Session(differentiate(g.graph(), "y", ["x"])) as session:
        return session.run(["grad/x"], {"x": [1, -2]})[0].tolist()


def test_another_operation() -> None:
    assert gradient("Sign", b"Identity") == [1, 1]
    assert gradient("Sign", b"Sign") == [0, 0]
    assert gradient("Floor", b"Relu") == [1, 0]


@pytest.mark.parametrize(
    ("stated", "why"),
    [
        (b"CustomGradient-7", "the custom gradient 'CustomGradient-7', a Python function"),
        (b"MatMul", "the gradient of MatMul, which 'y' states, does not fit Sign"),
        (b"Transpose", "the gradient of Transpose, which 'y' states, does not fit Sign"),
        (b"Split", "does not fit Sign: it gives 2 gradients, but there are 1 inputs"),
        (b"Svd", "the gradient of Svd, which 'y' states, does not fit Sign"),
        (b"PartitionedCall", "the gradient of PartitionedCall, which 'y' states, does not fit Sign"),
        (b"LeakyRelu", "operation Sign has no attr 'alpha'"),
        (b"StackPopV2", "operation StackPopV2, whose gradient 'y' states, has no gradient"),
    ],
)
def test_one_that_does_not_fit(stated: bytes, why: str) -> None:
    with pytest.raises(tfg.TfgError, match="y") as caught:
        gradient("Sign", stated)
    assert (caught.value.status, caught.value.node) == ("INVALID_ARGUMENT", "y")
    assert why in caught.value.message


def test_a_call_that_states_a_gradient_of_its_program_has_that_of_its_function() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [], name="x")
    g.function("square", lambda b, x: b.Mul(x, x), "float")
    with g.attributes(_gradient_op_type=b"PartitionedCall-42"):
        g.PartitionedCall([x], f="square", Tout=["float"], name="y")
        g.square(x, name="z")
    for loss in "yz":
        with tfg.Session(differentiate(g.graph(), loss, ["x"])) as session:
            assert session.run(["grad/x"], {"x": 3})[0] == 6
