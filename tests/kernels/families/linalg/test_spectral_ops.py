"""Eigenvalue and singular value decompositions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.runtime.passes.gradients import backpropagation

from tests import reference

from ...harness import Case, case, gradients_tfg, rand, run_tfg, table_tests, weights_for
from .test_factorization_ops import positive
from .test_linear_solve_ops import complex_sides, regular

CASES = [
    *(
        case(name, rand(3), error="INVALID_ARGUMENT: 'input' must be of rank")
        for name in ("Svd", "SelfAdjointEigV2")
    ),
    case("SelfAdjointEigV2", rand(2, 3), error="INVALID_ARGUMENT: Dimensions must be equal"),
    *(case("SelfAdjointEigV2", np.zeros(shape)) for shape in ((0, 0), (0, 2, 2))),
    *(case("Svd", np.zeros(shape)) for shape in ((0, 3), (3, 0), (2, 0, 3))),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 4)])
@pytest.mark.parametrize("full", [False, True])
def test_svd(shape: tuple[int, ...], full: bool) -> None:
    for x in (regular(*shape), complex_sides(*shape)):
        s, u, v = run_tfg(case("Svd", x, full_matrices=full))
        count = s.shape[-1]
        rebuilt = (u[..., :count] * s[..., None, :]) @ v[..., :count].swapaxes(-1, -2).conj()
        np.testing.assert_allclose(rebuilt, x, atol=1e-12)
        (alone, _, _) = run_tfg(case("Svd", x, compute_uv=False))
        np.testing.assert_allclose(alone, s)
        assert s.dtype == u.dtype == v.dtype == x.dtype


def test_eigenvalues() -> None:
    for x in (positive(2, 3, 3), positive(3, 3, dtype="complex128")):
        e, v = run_tfg(case("SelfAdjointEigV2", np.tril(x)))
        np.testing.assert_allclose(x @ v, v * e[..., None, :], atol=1e-9)
        np.testing.assert_allclose(run_tfg(case("SelfAdjointEigV2", x, compute_v=False))[0], e)
    x = regular(3, 3)
    e, v = run_tfg(case("Eig", x, Tout="complex128"))
    np.testing.assert_allclose(x @ v, v * e, atol=1e-9)


@pytest.mark.parametrize(
    "row",
    [
        case("SelfAdjointEigV2", positive(3, 3)),
        case("SelfAdjointEigV2", positive(3, 3), compute_v=False),
        *(case("Svd", regular(*shape)) for shape in ((3, 3), (4, 2), (2, 4))),
        case("Svd", regular(3, 3), full_matrices=True),
        case("Svd", regular(4, 2), compute_uv=False),
    ],
    ids=str,
)
def test_gradients_by_differences(row: Case) -> None:
    """A step along the gradient changes the loss by as much as the gradient says."""
    (x,) = row.inputs
    weights = weights_for(run_tfg(row))

    def loss(at: Any) -> float:
        outputs = run_tfg(Case(row.op, (at,), row.attrs))
        return sum(float((o * weights[f"weights{i}"]).sum()) for i, o in enumerate(outputs))

    (found,) = gradients_tfg(row)
    step = 1e-6
    expected = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        moved = np.zeros_like(x)
        moved[place] = step
        expected[place] = (loss(x + moved) - loss(x - moved)) / (2 * step)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("compute_v", [True, False])
def test_the_gradient_of_eigenvalues_and_vectors(compute_v: bool) -> None:
    """Of a real loss of the eigenvalues and of the vectors' absolute values, by differences."""
    x = regular(3, 3)
    weights, scale = np.array([1 + 2j, -1, 0.5j]), rand(3, 3, dtype="double")

    def loss(at: Any) -> float:
        e, v = np.linalg.eig(at)
        found = float((weights.conj() * e).real.sum())
        return found + float((scale * abs(v) ** 2).sum()) if compute_v else found

    g = GraphBuilder()
    a = g.constant(x)
    e, v = g.Eig(a, Tout="complex128", compute_v=compute_v)
    starts = (
        [g.constant(weights), g.constant(2 * scale, "complex128") * v] if compute_v else [g.constant(weights)]
    )
    (da,) = backpropagation.add_gradients(g, [e, v][: len(starts)], [a], starts)
    (found,) = reference.run(g.graph(), [backpropagation.dense(g, da).name], {})
    for place in np.ndindex(3, 3):
        moved = np.zeros((3, 3))
        moved[place] = 1e-6
        assert found[place] == pytest.approx((loss(x + moved) - loss(x - moved)) / 2e-6, abs=1e-6)
