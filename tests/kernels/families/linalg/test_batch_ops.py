"""The old names of operations on stacks of matrices; TensorFlow runs them in graphs of its first versions alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tfg.kernels.builder.graph_builder import GraphBuilder

from tests import reference

from ...harness import rand

SQUARE = np.eye(3, dtype=np.float32) * 4 + rand(2, 3, 3)
SYMMETRIC = SQUARE + SQUARE.swapaxes(-1, -2)


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("Cholesky", [SYMMETRIC]),
        ("MatrixDeterminant", [SQUARE]),
        ("MatrixInverse", [SQUARE]),
        ("MatrixSolve", [SQUARE, rand(2, 3, 1)]),
        ("MatrixSolveLs", [SQUARE, rand(2, 3, 1), np.float64(0)]),
        ("MatrixTriangularSolve", [SQUARE, rand(2, 3, 1)]),
        ("SelfAdjointEigV2", [SYMMETRIC]),
        ("Svd", [SQUARE]),
    ],
)
def test_an_old_name_computes_what_the_new_one_does(name: str, inputs: list[Any]) -> None:
    g = GraphBuilder()
    results = [g.add_op(prefix + name, *inputs) for prefix in ("Batch", "")]
    old, new = ([r.name for r in (one if isinstance(one, list) else [one])] for one in results)
    for a, b in zip(reference.run(g.graph(), old, {}), reference.run(g.graph(), new, {})):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["SelfAdjointEig", "BatchSelfAdjointEig"])
def test_eigenvalues_stand_above_their_vectors(name: str) -> None:
    g = GraphBuilder()
    out = g.add_op(name, SYMMETRIC)
    (found,) = reference.run(g.graph(), [out.name], {})
    assert found.shape == (2, 4, 3)
    values, vectors = found[:, 0], found[:, 1:]
    np.testing.assert_allclose(SYMMETRIC @ vectors, vectors * values[:, None], rtol=1e-4, atol=1e-4)
