"""Positions of iterators as tensors."""

from __future__ import annotations

from typing import Any

import pytest
import tfg
from tfg.graphfmt.errors import TfgError

_ONE: dict[str, Any] = {"output_types": ["int64"], "output_shapes": [[]]}


def _two_iterators() -> tfg.Graph:
    """Returns a graph in which the node ``move`` gives the second iterator the position of the first one."""
    g = tfg.GraphBuilder()
    numbers = g.RangeDataset(*(g.constant(value, "int64") for value in (0, 9, 1)), **_ONE)
    iterators: list[Any] = []
    for name in ("first", "second"):
        iterator = g.IteratorV2(shared_name="", container="", name=name, **_ONE)
        g.MakeIterator(numbers, iterator, name=f"init_{name}")
        g.IteratorGetNext(iterator, name=f"next_{name}", **_ONE)
        iterators.append(iterator)
    serialized = g.SerializeIterator(iterators[0], external_state_policy=0)
    g.DeserializeIterator(iterators[1], serialized, name="move")
    g.IteratorGetDevice(iterators[0], name="device")
    return g.graph()


def test_a_position_moves_to_another_iterator() -> None:
    with tfg.Session(_two_iterators()) as session:
        session.run([], targets=["init_first", "init_second"])
        for _ in range(4):
            session.run(["next_first"])
        session.run([], targets=["move"])
        assert session.run(["next_first", "next_second"]) == [4, 4]
        assert session.run(["next_second"])[0] == 5


def test_a_position_needs_a_dataset() -> None:
    with tfg.Session(_two_iterators()) as session, pytest.raises(TfgError, match="has not been initialized"):
        session.run([], targets=["move"])


def test_device() -> None:
    with tfg.Session(_two_iterators()) as session:
        assert session.run(["device"])[0] == b"/job:localhost/replica:0/task:0/device:CPU:0"
