"""Constants, placeholders, identities and no-ops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tfg.graphfmt import dtypes
from tfg.graphfmt.attributes import AttrValue
from tfg.graphfmt.errors import Status, TfgError
from tfg.graphfmt.graph import Graph, Node
from tfg.graphfmt.shapes import Shape
from tfg.graphfmt.tensors import TensorValue
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.kernels.core.inference import infer_graph
from tfg.runtime.passes.gradients import backpropagation

from tests import reference

from ...harness import case, cast, f32, i32, rand, table_tests

STRINGS = np.array([b"a", b""], object)
VALUES = (
    rand(2, 3),
    f32(1.5),
    i32(np.zeros((0, 2))),
    STRINGS,
    cast("bool", [1, 0]),
    cast("bfloat16", [1, 2]),
)

CASES = [
    *(case(op, value) for op in ("Identity", "StopGradient") for value in VALUES[1:]),
    *(case("PreventGradient", value) for value in VALUES),
    *(case("Snapshot", value) for value in (rand(2, 3), i32(3))),
    *(case("ZerosLike", value) for value in VALUES),
    *(case(op, rand(2, 3), grad=True) for op in ("Identity", "StopGradient")),
    case("IdentityN", list(VALUES)),
    case("IdentityN", [rand(2, 3), rand(2)], grad=True),
    case("PlaceholderWithDefault", rand(2, 3), shape=[2, 3], grad=True),
    case("PlaceholderWithDefault", rand(2, 3), shape=[None, 3]),
    case("PlaceholderWithDefault", i32([2, 3]), shape=[None]),
    case("PlaceholderWithDefault", rand(2, 3), shape=None),
    case("PlaceholderWithDefault", rand(2, 3), shape=[None, 4],
         error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("PlaceholderWithDefault", rand(2, 3), shape=[2], error="INVALID_ARGUMENT: must be equal rank"),
    case("NoOp"),
    case("ControlTrigger"),
    case("Placeholder", dtype="float", shape=[2], error="INVALID_ARGUMENT: placeholder tensor"),
    case("Const", value=f32([1, 2]), dtype="float"),
    case("Const", value=f32([1, 2]), dtype="double", error="INVALID_ARGUMENT: dtype double"),
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def _const(**attrs: AttrValue) -> Graph:
    return Graph(nodes=(Node("c", "Const", (), attrs),))


@pytest.mark.parametrize(
    "value",
    [
        TensorValue(dtypes.float32, Shape((2,)), content=b"123"),
        TensorValue(dtypes.float32, Shape((None,))),
        TensorValue(dtypes.float32, Shape((1,)), values={"float_val": (1.0, 2.0)}),
        TensorValue(dtypes.int32, Shape((1,))),
    ],
    ids=str,
)
def test_a_constant_must_be_whole(value: TensorValue) -> None:
    with pytest.raises(TfgError) as caught:
        infer_graph(_const(value=value, dtype=dtypes.float32))
    assert caught.value.status is Status.INVALID_ARGUMENT
    assert caught.value.node == "c"


def test_a_placeholder_without_a_value_names_itself() -> None:
    g = GraphBuilder()
    x = g.placeholder("float", [2, None], name="x")
    with pytest.raises(TfgError, match=r"x.*float.*\[2,\?\]") as caught:
        reference.run(g.graph(), [x.name], {})
    assert caught.value.hint is not None
    assert "--feed" in caught.value.hint


def test_a_default_is_not_taken_for_a_constant() -> None:
    g = GraphBuilder()
    sizes = g.PlaceholderWithDefault(i32([2, 3]), shape=[2])
    assert sizes.fact.constant is None
    assert g.Fill(sizes, 1.0).shape == Shape((None, None))


def test_prevented_gradients_say_why() -> None:
    g = GraphBuilder()
    x = g.placeholder("float", [2])
    y = g.PreventGradient(x, message="not here")
    with pytest.raises(TfgError, match="not here"):
        backpropagation.add_gradients(g, [y], [x])


def test_identity_of_a_reference_is_a_value() -> None:
    g = GraphBuilder()
    ref: Any = g.VariableV2(dtype="float", shape=[2])
    assert g.Identity(ref).fact.dtype is dtypes.float32
