"""Optional values. That TensorFlow's own gradients run with them is tested with whole graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tfg


def value_of(g: Any, optional: Any, types: list[str], shapes: list[Any]) -> Any:
    got = g.OptionalGetValue(optional, output_types=types, output_shapes=shapes, name="got")
    return tfg.Session(g.graph()).run([t.name for t in got])


def test_an_optional_holds_tensors_or_nothing() -> None:
    g = tfg.GraphBuilder()
    some = g.OptionalFromValue([g.constant([1.0, 2.0]), g.constant("text")])
    has = [g.OptionalHasValue(x) for x in (some, g.OptionalNone())]
    assert [bool(x) for x in tfg.Session(g.graph()).run([t.name for t in has])] == [True, False]
    numbers, text = value_of(g, some, ["float", "string"], [[None], []])
    np.testing.assert_array_equal(numbers, np.array([1, 2], np.float32))
    assert text[()] == b"text"


@pytest.mark.parametrize(
    ("types", "shapes"),
    [(["int32"], [[2]]), (["float"], [[3]]), (["float", "float"], [[2], [2]]), (["float"], [[2], [2]])],
)
def test_an_optional_gives_what_it_holds_and_nothing_else(types: list[str], shapes: list[Any]) -> None:
    g = tfg.GraphBuilder()
    some = g.OptionalFromValue([g.constant([1.0, 2.0])])
    with pytest.raises(tfg.TfgError) as caught:
        value_of(g, some, types, shapes)
    assert caught.value.status == "INVALID_ARGUMENT"


def test_nothing_has_no_value() -> None:
    g = tfg.GraphBuilder()
    with pytest.raises(tfg.TfgError) as caught:
        value_of(g, g.OptionalNone(), ["float"], [[]])
    assert caught.value.status == "INVALID_ARGUMENT"


def test_gradients_go_through_optionals() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [2], name="x")
    some = g.OptionalFromValue([g.Mul(x, x), g.Neg(x)])
    squared, _ = g.OptionalGetValue(some, output_types=["float", "float"], output_shapes=[[2], [2]])
    (dx,) = tfg.add_gradients(g, [g.Sum(squared, 0)], [x])
    np.testing.assert_array_equal(tfg.Session(g.graph()).run([dx.name], {"x": [1, 3]})[0], [2, 6])
