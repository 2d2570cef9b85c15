"""The generated table of operations is up to date."""

from __future__ import annotations

from .operations import PAGE, page


def test_the_table_of_operations_is_current() -> None:
    """Run ``make operations`` where this fails."""
    assert PAGE.read_text(encoding="utf-8") == page()
