"""Einsum."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, rand, table_tests


def row(
    equation: str,
    *shapes: tuple[int, ...],
    dtype: str = "float",
    grad: bool = True,
    error: str | None = None,
) -> object:
    inputs = [rand(*shape, seed=i, dtype=dtype) for i, shape in enumerate(shapes)]
    return case("Einsum", inputs, equation=equation, grad=grad and error is None, error=error)


def complex_row(equation: str, *shapes: tuple[int, ...]) -> object:
    inputs = [
        (rand(*s, seed=i) + 1j * rand(*s, seed=9 + i)).astype(np.complex64) for i, s in enumerate(shapes)
    ]
    return case("Einsum", inputs, equation=equation, grad=True)


CASES = [
    # One input.
    row("ij->ji", (2, 3)),
    row("ijk->kij", (2, 3, 4)),
    row("ij->", (2, 3)),
    row("ijk->j", (2, 3, 4)),
    row("ii->i", (3, 3)),
    row("ii->", (3, 3)),
    row("iij->ji", (3, 3, 2)),
    row("iji->j", (3, 2, 3)),
    row("i->ii", (3,)),
    row("->", ()),
    row("...->...", (2, 3)),
    row("...i->i...", (2, 3, 4)),
    row("i...j->...", (2, 5, 3, 4)),
    row("...ii->...i", (2, 3, 3)),
    row("ij...->ij...", (3, 2)),
    row("ij->", (0, 2)),
    row("aBc->cBa", (2, 3, 4)),
    # Two.
    row("ij,jk->ik", (2, 3), (3, 4)),
    row("ij,jk->ki", (2, 3), (3, 4)),
    row("ij,kj->ik", (2, 3), (4, 3)),
    row("ji,jk->ik", (3, 2), (3, 4)),
    row("ji,kj->ki", (3, 2), (4, 3)),
    row("bij,bjk->bik", (2, 2, 3), (2, 3, 4)),
    row("bij,jk->bik", (2, 2, 3), (3, 4)),
    row("abc,cd->abd", (2, 3, 4), (4, 5)),
    row("abc,cde->abde", (2, 3, 4), (4, 5, 2)),
    row("btnh,bsnh->bnts", (2, 3, 2, 4), (2, 5, 2, 4)),
    row("bnts,bsnh->btnh", (2, 2, 3, 5), (2, 5, 2, 4)),
    row("abcd,badef->abcfe", (2, 3, 4, 5), (3, 2, 5, 6, 2)),
    row("i,j->ij", (2,), (3,)),
    row("i,i->", (4,), (4,)),
    row("i,i->i", (4,), (4,)),
    row("ij,ij->ij", (2, 3), (2, 3)),
    row("ij,i->j", (2, 3), (2,)),
    row("ij,k->", (2, 3), (4,)),
    row("ij,kl->il", (2, 3), (4, 5)),
    row(",->", (), ()),
    row(",ij->ji", (), (2, 3)),
    row("ii,ij->j", (3, 3), (3, 2)),
    row("iij,jkk->k", (2, 2, 3), (3, 2, 2)),
    row("i,j->iij", (2,), (3,)),
    row("ij,jk->ik", (2, 0), (0, 3)),
    row("ij,jk->ik", (0, 2), (2, 3)),
    # Axes that the ellipsis covers.
    row("...ij,...jk->...ik", (2, 2, 3), (2, 3, 4)),
    row("...ij,...jk->...ik", (2, 1, 2, 3), (5, 3, 4)),
    row("...ij,...jk->...ik", (2, 3), (3, 4)),
    row("...ij,jk->...ik", (2, 2, 3), (3, 4)),
    row("ij,...jk->...ik", (2, 3), (5, 3, 4)),
    row("...ij,jk->ik...", (2, 2, 3), (3, 4)),
    row("i...j,j...->...i", (2, 3, 4), (4, 1)),
    row("...,...->...", (2, 1), (3,)),
    row("...i,...i->...", (2, 1, 2), (3, 2)),
    row("...ij,...k->...", (2, 2, 3), (1, 4)),
    row("ij...,jk...->ik...", (3, 4, 1), (4, 5, 2)),
    *(row("bij,bjk->bik", (2, 2, 3), (2, 3, 4), dtype=t) for t in ("double", "half", "bfloat16")),
    *(row("ijk->j", (2, 3, 4), dtype=t) for t in ("double", "half", "bfloat16")),
    *(case("Einsum", [cast(t, [[1, 2], [3, 4]])] * 2, equation="ij,jk->ik") for t in ("int32", "int64")),
    complex_row("ij,jk->ik", (2, 3), (3, 4)),
    complex_row("ij->j", (2, 3)),
    # Errors.
    *(
        row(text, (2, 2), (2, 2), grad=False, error="INVALID_ARGUMENT: einsum equation")
        for text in ("ij,jk", "ij->jk->ik", "ij, jk->ik", "ij->ij", "ij,jk,kl->il")
    ),
    row("ij,jk->ik", (2, 1), (2, 2), grad=False, error="INVALID_ARGUMENT: Dimensions must be equal"),
    row("ij,jk->ik", (2, 2, 1), (2, 2), grad=False, error="INVALID_ARGUMENT: input has rank"),
    row("ii->i", (2, 3), grad=False, error="INVALID_ARGUMENT: Dimensions must be equal"),
    row("...ij->ij", (2, 3, 2), grad=False, error="INVALID_ARGUMENT: inputs use"),
    row(
        "...ij,...jk->...ik",
        (2, 2, 3),
        (3, 3, 4),
        grad=False,
        error="INVALID_ARGUMENT: Dimensions must be equal",
    ),
    row("i...j...->i", (2, 2), grad=False, error="INVALID_ARGUMENT: one ellipsis"),
    row("ijk...->i", (2, 2), grad=False, error="INVALID_ARGUMENT: asks for rank"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
