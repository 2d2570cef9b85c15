from __future__ import annotations

from typing import Any

import numpy as np
from tfg.graphfmt import dtypes
from tfg.kernels.families.sparse.coo import Coo
from tfg.kernels.families.sparse.tensors_map_ops import TensorsMap

from ...harness import f32, graph_case, i64, table_tests

INDICES = i64([[0, 1], [0, 2], [2, 0]])
VALUES = f32([1, 2, 3])
SHAPE = i64([3, 4])


def taken(g: Any, handles: Any, **attrs: Any) -> Any:
    options = {"shared_name": "map", "dtype": dtypes.float32, **attrs}
    return list(g.TakeManySparseFromTensorsMap(handles, **options))


def add_rows(g: Any, values: Any) -> Any:
    return g.AddManySparseToTensorsMap(g.constant(INDICES), values, g.constant(SHAPE), shared_name="map")


def rows(g: Any, values: Any) -> Any:
    return taken(g, g.ReverseV2(add_rows(g, values), g.constant(np.array([0], np.int32))))


def pair(g: Any, values: Any) -> Any:
    """Two sparse tensors of different shapes."""
    shapes = (i64([3, 4]), i64([5, 3]))
    handles = [
        g.AddSparseToTensorsMap(g.constant(INDICES), values, g.constant(s), shared_name="map") for s in shapes
    ]
    return taken(g, g.Pack(handles))[2]


def other_dtype(g: Any, values: Any) -> Any:
    return taken(g, add_rows(g, values), dtype=dtypes.int32)


def unknown_handle(g: Any, values: Any) -> Any:
    return taken(g, g.AddV2(add_rows(g, values), g.constant(i64(70))))


CASES = [
    graph_case("TensorsMap rows", rows, VALUES),
    graph_case("TensorsMap pair", pair, VALUES),
    graph_case(
        "TensorsMap other dtype",
        other_dtype,
        VALUES,
        error="INVALID_ARGUMENT: Requested SparseTensor of type",
    ),
    graph_case("TensorsMap unknown handle", unknown_handle, VALUES, error="INVALID_ARGUMENT: Unable to find"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_a_map_is_saved_and_goes_on_where_it_was() -> None:
    first, second = TensorsMap(), TensorsMap()
    first.add([Coo(INDICES, VALUES, (3, 4)), Coo(INDICES[:1], VALUES[:1], (3, 4))])
    first.take([0])
    second.load(first.save())
    assert second.add([Coo(INDICES, VALUES, (3, 4))]).tolist() == [2]
    (kept,) = second.take([1])
    assert kept.values.tolist() == [1]
    assert kept.dims == (3, 4)
