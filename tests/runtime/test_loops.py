"""Loops and conditionals as Python's own, and by the scheduler: the same values, bit for bit, and the same calls."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from tfg.runtime.session import Session

from . import programs
from .ways import WAYS, going


def outcome(program: programs.Program, feeds: dict[str, Any], way: str) -> tuple[list[bytes], Counter[str]]:
    """What a program gives, and what it calls how often."""
    programs.CALLS.clear()
    with going(way):
        values = Session(program.graph).run(program.fetches, feeds)
    return [value.dtype.str.encode() + value.tobytes() for value in values], Counter(programs.CALLS)


@pytest.mark.parametrize("seed", range(150))
def test_random_programs_give_the_same_in_every_way(seed: int) -> None:
    program = programs.Program(seed)
    feeds = program.feeds()
    expected = outcome(program, feeds, "scheduled")
    for way in WAYS:
        assert outcome(program, feeds, way) == expected
    assert (
        not program.is_tidy or Session(program.graph).plan(program.fetches, list(feeds)).segment is not None
    )
