"""Every operation that a GPU is said to run does, on all its rows that are of a GPU's dtypes."""

from __future__ import annotations

from typing import Any

import pytest

from . import rows


@pytest.mark.parametrize("name", sorted(rows.by_operation()))
def test_an_operation_gives_what_tensorflow_does(name: str, xp: Any) -> None:
    for family, row in rows.by_operation()[name]:
        rows.check(family, row, xp)
