"""Every operation that a GPU is said to run does, on all its rows that are of a GPU's dtypes."""

from __future__ import annotations

from typing import Any

import pytest

from . import rows
from .report import Outcome, table


@pytest.mark.parametrize("name", sorted(rows.by_operation()))
def test_an_operation_gives_what_tensorflow_does(name: str, xp: Any) -> None:
    for family, row in rows.by_operation()[name]:
        rows.check(family, row, xp)


def test_what_fails_is_told_in_a_table() -> None:
    text = table([Outcome("Add", 3, 0, ""), Outcome("Mul", 4, 2, "TypeError: a | b")], "Fake")
    assert "1 of 2 operations pass" in text
    assert "| Mul | 4 | 2 | TypeError: a / b |" in text
    assert "| Add" not in text
