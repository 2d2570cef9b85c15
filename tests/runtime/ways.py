"""The ways in which a graph with loops and branches may run, which must give the same, bit for bit: compiled,
by the scheduler, and by the scheduler with what is ready in any order."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tfg.runtime.execution import executor
from tfg.runtime.execution.session import Session

WAYS = ("compiled", "scheduled", "shuffled")


class AnyOrder(deque[Any]):
    """A queue that gives what is in it in any order."""

    pick = random.Random(1)

    def popleft(self) -> Any:
        self.rotate(self.pick.randrange(len(self)))
        return super().popleft()


@contextmanager
def going(way: str) -> Iterator[None]:
    """While it lasts, sessions are made to go this way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Session.__init__.__kwdefaults__, "compile_control_flow", way == "compiled")
        if way == "shuffled":
            patch.setattr(executor, "deque", AnyOrder)
        yield


@pytest.fixture(params=WAYS)
def every_way(request: pytest.FixtureRequest) -> Iterator[str]:
    """The test runs once in every way."""
    with going(request.param):
        yield request.param
