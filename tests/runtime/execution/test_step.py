"""Steps that are cancelled or run out of time: when they end, and what they have changed."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt.load import load

CASES = Path(__file__).parents[2] / "cases" / "hostile"

# Seconds, with room for a busy machine: a product of the matrices takes some 0.03 s, all of them 10 s.
SOON = 2.0


@pytest.fixture
def session() -> tfg.Session:
    """300 products of 1500 x 1500 matrices in a straight line, then an addition to ``v``."""
    opened = tfg.Session(load(str(CASES / "t01_timeout_straight_line.pbtxt")))
    opened.run(targets=["init"])
    return opened


def test_a_straight_line_of_products_ends_at_the_deadline_before_its_update(session: tfg.Session) -> None:
    began = time.monotonic()
    with pytest.raises(tfg.TfgError) as caught:
        session.run(targets=["add"], timeout=0.2)
    assert caught.value.status == "DEADLINE_EXCEEDED"
    assert (caught.value.node or "").startswith("n")
    assert time.monotonic() - began < SOON
    assert session.run(["v"]) == [0]


def test_a_straight_line_ends_when_its_session_is_closed(session: tfg.Session) -> None:
    threading.Timer(0.2, session.close).start()
    began = time.monotonic()
    with pytest.raises(tfg.TfgError) as caught:
        session.run(targets=["add"])
    assert caught.value.status == "CANCELLED"
    assert time.monotonic() - began < SOON


def test_an_interrupted_session_runs_again_once_the_interrupts_are_cleared(session: tfg.Session) -> None:
    threading.Timer(0.2, session.interrupt, ["interrupted"]).start()
    with pytest.raises(tfg.TfgError, match="interrupted"):
        session.run(targets=["add"])
    session.clear_interrupts()
    assert session.run(["v"]) == [0]


def test_the_parts_of_a_step_on_several_devices_end_at_the_deadline() -> None:
    graph = load(str(CASES / "t01_timeout_straight_line.pbtxt"))
    with tfg.Session(graph, devices="cpu:2") as session:
        session.run(targets=["init"])
        began = time.monotonic()
        with pytest.raises(tfg.TfgError) as caught:
            session.run(targets=["add"], timeout=0.2)
        assert caught.value.status == "DEADLINE_EXCEEDED"
        assert time.monotonic() - began < SOON
        assert session.run(["v"]) == [0]


def test_a_step_that_has_made_its_update_is_not_reported_as_failed() -> None:
    g = tfg.GraphBuilder()
    counter = g.VariableV2(shape=[], dtype="float", name="counter")
    g.Assign(counter, 0.0, name="init")
    g.AssignAdd(counter, 1.0, name="up")
    session = tfg.Session(g.graph())
    session.run(targets=["init"])
    counted = 0
    for _ in range(200):
        try:
            session.run(targets=["up"], timeout=20e-6)
            counted += 1
        except tfg.TfgError as error:
            assert error.status == "DEADLINE_EXCEEDED"
    assert session.run(["counter"]) == [counted]


@pytest.mark.parametrize(
    ("case", "feeds", "status"),
    [
        ("h01_svd_inf", {}, None),
        ("h04_uniform_sampler", {}, "RESOURCE_EXHAUSTED"),
        ("h05_patches", {"x": np.ones((1, 3, 3, 1), np.float32)}, "DEADLINE_EXCEEDED"),
    ],
)
def test_a_kernel_that_would_run_for_long_ends(case: str, feeds: dict[str, Any], status: str | None) -> None:
    session = tfg.Session(load(str(CASES / f"{case}.pbtxt")))
    began = time.monotonic()
    if status is None:
        assert np.isnan(session.run(["y"], feeds, timeout=1)[0]).all()
    else:
        with pytest.raises(tfg.TfgError) as caught:
            session.run(["y"], feeds, timeout=1)
        assert caught.value.status == status
    assert time.monotonic() - began < 1 + SOON
