"""The recorder refuses rows that do not state what TensorFlow does."""

from __future__ import annotations

import pytest

from tests.kernels.harness import case, f32, key_of

pytest.importorskip("tensorflow")

from .record import observe_all

FAILING = "INVALID_ARGUMENT: Dimensions must be equal"


def test_what_rows_state_is_recorded() -> None:
    rows = [case("Neg", f32([1])), case("Add", f32([1, 2]), f32([1, 2, 3]), error=FAILING)]
    seen = observe_all(rows)
    assert [seen[key_of(row)].status for row in rows] == [None, "INVALID_ARGUMENT"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([case("Neg", f32([1]), error=FAILING)], "INVALID_ARGUMENT is stated, but is no error"),
        ([case("Add", f32([1, 2]), f32([1, 2, 3]))], "no error is stated, but is INVALID_ARGUMENT"),
        (
            [case("Add", f32([1, 2]), f32([1, 2, 3]), error="INTERNAL: equal")],
            "INTERNAL is stated, but is INVALID_ARGUMENT",
        ),
        ([case("Neg", f32([1]))] * 2, "an earlier row has the same operation"),
    ],
    ids=["succeeds", "fails", "other status", "twice"],
)
def test_other_rows_are_refused(rows: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        observe_all(rows)
