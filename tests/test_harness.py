"""The rows of tables, and what their tests check."""

from __future__ import annotations

import pytest

from .kernels.harness import Case, case, check_error, f32, table_tests

MISFIT = (f32([1, 2]), f32([1, 2, 3]))


@pytest.mark.parametrize("error", ["INVALID_ARGUMENT", "INVALID_ARGUMENT: ", "WRONG: axis", "axis"])
def test_a_row_that_fails_states_a_status_and_words(error: str) -> None:
    with pytest.raises(ValueError, match="is not of the form 'STATUS: words of the message'"):
        case("Add", *MISFIT, error=error)


def test_a_row_that_fails_has_no_gradients() -> None:
    with pytest.raises(ValueError, match="has no gradients"):
        case("Add", *MISFIT, grad=True, error="INVALID_ARGUMENT: equal")


@pytest.mark.parametrize(
    "row",
    [
        case("Add", *MISFIT, error="INVALID_ARGUMENT: no such words"),
        case("Add", *MISFIT, error="INTERNAL: Dimensions must be equal"),
    ],
    ids=["words", "status"],
)
def test_another_error_is_not_accepted(row: Case) -> None:
    with pytest.raises(AssertionError):
        check_error(row)


def test_no_error_is_not_accepted() -> None:
    with pytest.raises(pytest.fail.Exception):
        check_error(case("Neg", f32([1]), error="INVALID_ARGUMENT: axis"))


def test_a_table_has_the_tests_that_its_rows_ask_for() -> None:
    sound = case("Neg", f32([1]))
    failing = case("Add", *MISFIT, error="INVALID_ARGUMENT: equal")
    values, errors, shapes, gradients = table_tests([sound])
    assert values and shapes and not errors and not gradients
    values, errors, shapes, gradients = table_tests([failing])
    assert errors and not values and not shapes and not gradients
