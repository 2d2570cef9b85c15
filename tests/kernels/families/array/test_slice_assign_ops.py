"""Slices of variables written to."""

from __future__ import annotations

import numpy as np
import pytest
from tfg.graphfmt.errors import Status, TfgError
from tfg.kernels.builder.graph_builder import GraphBuilder

from tests import reference


def _resource(value: object, shape: list[int]) -> tuple[GraphBuilder, reference.Context]:
    g, context = GraphBuilder(), reference.Context()
    handle = g.VarHandleOp(dtype="float", shape=shape, shared_name="v", name="v")
    init = g.AssignVariableOp(handle, np.asarray(value, np.float32), name="init")
    reference.run(g.graph(), [init], {}, context)
    return g, context


def test_a_resource_variable_is_written_to_in_its_slice() -> None:
    g, context = _resource(np.zeros((3, 2)), [3, 2])
    v = g.tensor("v")
    before = g.ReadVariableOp(v, dtype="float", name="read")
    (old,) = reference.run(g.graph(), [before.name], {}, context)
    for row, value in ((0, 5.0), (2, [1.0, 2.0])):
        written = g.ResourceStridedSliceAssign(
            v, [row], [row + 1], [1], np.array(value, np.float32), shrink_axis_mask=1
        )
        reference.run(g.graph(), [written], {}, context)
    (new,) = reference.run(g.graph(), [before.name], {}, context)
    np.testing.assert_array_equal(new, [[5, 5], [0, 0], [1, 2]])
    assert not old.any(), "what was read before must not change"


def test_a_reference_variable_is_written_to_and_handed_on() -> None:
    g, context = GraphBuilder(), reference.Context()
    v = g.VariableV2(dtype="float", shape=[4], name="v")
    assigned = g.Assign(v, np.zeros(4, np.float32))
    reference.run(g.graph(), [assigned.name], {}, context)
    written = g.StridedSliceAssign(v, [-1], [0], [-2], np.array([1, 2], np.float32), end_mask=1)
    (value,) = reference.run(g.graph(), [written.name], {}, context)
    np.testing.assert_array_equal(value, [0, 2, 0, 1])


@pytest.mark.parametrize("value", [[1.0, 2.0, 3.0], [[1.0, 2.0], [3.0, 4.0]]])
def test_a_value_that_does_not_fit_is_refused(value: list[float]) -> None:
    g, context = _resource(np.zeros((3, 2)), [3, 2])
    written = g.ResourceStridedSliceAssign(g.tensor("v"), [0], [1], [1], np.array(value, np.float32))
    with pytest.raises(TfgError) as caught:
        reference.run(g.graph(), [written], {}, context)
    assert caught.value.status == Status.INVALID_ARGUMENT


def test_an_index_outside_is_refused_before_anything_runs() -> None:
    g, _ = _resource(np.zeros((3, 2)), [3, 2])
    with pytest.raises(TfgError) as caught:
        g.ResourceStridedSliceAssign(g.tensor("v"), [3], [4], [1], np.float32(0), shrink_axis_mask=1)
    assert caught.value.status == Status.INVALID_ARGUMENT
