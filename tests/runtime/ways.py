"""The ways in which a graph with loops and branches may run, which must give the same, bit for bit: compiled,
by the scheduler, and by the scheduler with what is ready in any order."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tfg.graphfmt.graph import Graph
from tfg.runtime import executor
from tfg.runtime.session import Session

WAYS = ("compiled", "scheduled", "shuffled")


class AnyOrder(deque[Any]):
    """A queue that gives what is in it in any order."""

    pick = random.Random(1)

    def popleft(self) -> Any:
        self.rotate(self.pick.randrange(len(self)))
        return super().popleft()


def session(graph: Graph, way: str, **options: Any) -> Session:
    return Session(graph, compile_control_flow=way == "compiled", **options)


@contextmanager
def going(way: str) -> Iterator[None]:
    """While it lasts, the scheduler's steps go this way."""
    with pytest.MonkeyPatch.context() as patch:
        if way == "shuffled":
            patch.setattr(executor, "deque", AnyOrder)
        yield
