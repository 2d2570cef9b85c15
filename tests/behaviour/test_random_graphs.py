"""Random programs on random devices: partitioned they compute what they do as one, bit for bit.

TFG_PROGRAMS is how many of them are tried, 160 if it is not set.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import tfg
from hypothesis import given, settings
from hypothesis import strategies as st
from tfg.graphfmt.errors import TfgError
from tfg.graphfmt.graph import Graph
from tfg.runtime.execution.session import Session
from tfg.runtime.passes.partitioning.partition import partition
from tfg.runtime.passes.partitioning.parts import join_parts
from tfg.runtime.passes.partitioning.recv_schedule import schedule_receives
from tfg.runtime.passes.prune import StepSignature, prune

from ..runtime.passes.partitioning.placing import Together, placed
from ..runtime.programs import Program

COUNT = int(os.environ.get("TFG_PROGRAMS", "160"))
CHUNK = 40


def outcome(session: Any, fetches: list[str], feeds: Mapping[str, Any]) -> list[bytes] | str:
    """The bits of what is fetched, or the status of the failure (where a fetch is dead)."""
    try:
        return [value.tobytes() for value in session.run(fetches, feeds)]
    except TfgError as error:
        return error.status


@pytest.mark.parametrize("start", range(0, COUNT, CHUNK))
def test_programs_with_loops_and_conditionals(start: int) -> None:
    for seed in range(start, start + CHUNK):
        program = Program(seed)
        fetches, feeds = list(map(str, program.fetches)), program.feeds()
        expected = outcome(Session(program.graph), fetches, feeds)
        whole = placed(program.graph, seed)
        compiled = bool(seed % 2)
        on_devices = Session(whole, devices="cpu:3", compile_control_flow=compiled)
        assert outcome(on_devices, fetches, feeds) == expected, f"seed {seed}, on devices"

        needed = prune(whole, StepSignature(tuple(fetches), tuple(feeds), ())).graph
        fed = {name: value for name, value in feeds.items() if name in needed}
        parts = partition(needed)
        assert outcome(Together(parts), fetches, fed) == expected, f"seed {seed}, part by part"
        late = schedule_receives(parts)
        assert outcome(Together(late), fetches, fed) == expected, f"seed {seed}, with receives begun late"
        assert outcome(Session(join_parts(late)), fetches, fed) == expected, f"seed {seed}, joined again"


class Updates:
    """A random sequence of updates of variables of both kinds, each after the last, and values computed from
    reads in between."""

    def __init__(self, draw: st.DataObject) -> None:
        self.draw = draw
        self.g = tfg.GraphBuilder()
        g = self.g
        self.x = g.placeholder("float", [3], name="x")
        self.refs = [g.VariableV2(shape=[3], dtype="float", name=f"ref_{n}") for n in range(2)]
        self.handles = [g.VarHandleOp(shape=[3], dtype="float", name=f"handle_{n}") for n in range(2)]
        one = g.constant([1.0, 2.0, 3.0])
        start = [g.Assign(ref, one) for ref in self.refs]
        start += [g.AssignVariableOp(handle, one) for handle in self.handles]
        g.group(*start, name="init")
        self.values = [self.x]
        self.last: Any = self.x
        for _ in range(draw.draw(st.integers(3, 12))):
            self._statement()
        self.fetches = [g.Identity(v, name=f"out_{n}").name for n, v in enumerate(self.values[-3:])]
        g.group(self.last, name="all")

    def _statement(self) -> None:
        g, pick = self.g, self.draw.draw
        value = pick(st.sampled_from(self.values))
        which = pick(st.integers(0, 1))
        ref, handle = self.refs[which], self.handles[which]
        with g.control_dependencies([self.last]):
            kind = pick(
                st.sampled_from(["add", "assign", "add handle", "read", "read handle", "read ref", "tanh"])
            )
            if kind == "add":
                self.last = g.Neg(g.AssignAdd(ref, value))
                self.values.append(self.last)
            elif kind == "assign":
                self.last = g.Assign(ref, value)
            elif kind == "add handle":
                self.last = g.AssignAddVariableOp(handle, value)
            elif kind == "read":
                self.last = g.Identity(ref)
                self.values.append(self.last)
            elif kind == "read ref":
                self.last = g.Mul(ref, value)
                self.values.append(self.last)
            elif kind == "read handle":
                self.last = g.ReadVariableOp(handle, dtype="float")
                self.values.append(self.last)
            else:
                self.last = g.Tanh(value)
                self.values.append(self.last)


def steps(session: Session, updates: Updates) -> list[Any]:
    """Two steps, and the state after them."""
    feeds = {"x": np.array([0.5, -1.5, 2.0], np.float32)}
    session.run(targets=["init"])
    found = [session.run(updates.fetches, feeds, ["all"]) for _ in range(2)]
    state = session.snapshot().resources
    return [
        [v.tolist() for values in found for v in values],
        {k: v["value"].tolist() for k, v in state.items()},
    ]


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(0, 1000))
def test_updates_of_variables(draw: st.DataObject, seed: int) -> None:
    updates = Updates(draw)
    whole = steps(Session(updates.g.graph()), updates)
    graph: Graph = placed(updates.g.graph(), seed)
    assert steps(Session(graph, devices="cpu:3"), updates) == whole
