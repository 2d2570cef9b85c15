"""Drawings of placed graphs: valid, the same each time, and with as many boxes as can be read."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
import tfg
from hypothesis import given, settings
from hypothesis import strategies as st
from tfg.graphfmt.graph import Graph
from tfg.runtime.passes.placement.machine.machine import parse_devices
from tfg.runtime.passes.placement.place import PlacementOptions, place
from tfg.runtime.passes.placement.simulation.simulated_step import Simulation, simulation_of_placement
from tfg.runtime.visualization.blocks import MOST, blocks
from tfg.runtime.visualization.layers import BOX, lay_out
from tfg.runtime.visualization.page import html_page
from tfg.runtime.visualization.picture import draw_simulation

GOLDEN = Path(__file__).parent / "golden"
SVG = "{http://www.w3.org/2000/svg}"


def towers(layers: int, *, scope: str = "tower{tower}/layer{layer}/", count: int = 2) -> Graph:
    """Towers of matrix products on one weight, added up in the end."""
    g = tfg.GraphBuilder()
    w = g.constant([[0.5] * 100] * 100, name="w")
    ends = []
    for tower in range(count):
        x = g.placeholder("float", [200, 100], name=f"x{tower}")
        for layer in range(layers):
            inner = scope.format(tower=tower, layer=layer)
            x = g.Tanh(g.MatMul(x, w, name=f"{inner}t{tower}l{layer}m"), name=f"{inner}t{tower}l{layer}t")
        ends.append(x)
    g.AddN(ends, name="sum")
    return g.graph()


def simulated(graph: Graph, spec: str = "cpu:2", step: tuple[str, ...] = ()) -> Simulation:
    return simulation_of_placement(place(graph, parse_devices(spec), "etf", PlacementOptions(step=step)))


def texts(drawn: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(drawn).iter(f"{SVG}text")]


def boxes(drawn: str) -> int:
    return sum(e.get("class") == "block" for e in ElementTree.fromstring(drawn).iter(f"{SVG}g"))


def test_a_small_graph() -> None:
    drawn = draw_simulation(simulated(towers(2)), "towers.pbtxt")
    path = GOLDEN / "towers.svg"
    if os.environ.get("TFG_RECORD"):
        path.write_text(drawn)
    assert drawn == path.read_text()


def test_what_there_is_to_read() -> None:
    found = texts(draw_simulation(simulated(towers(2)), "towers.pbtxt", ["placed by hand"]))
    assert found[0] == "towers.pbtxt"
    assert found[1].startswith("12 nodes on 2 of 2 devices")
    assert found[1].endswith("placed by hand")
    assert {"CPU:0", "CPU:1", "sum", "CPU:0 → CPU:1"} <= set(found)
    assert any(text.startswith("Critical path (outlined): ") for text in found)


def test_a_constant_is_part_of_the_box_that_reads_it() -> None:
    assert "w" in texts(draw_simulation(simulated(towers(2)), "read on both devices"))
    assert "w" not in texts(draw_simulation(simulated(towers(2), "cpu:1"), "read on its own"))


@pytest.mark.parametrize("scope", ["tower{tower}/layer{layer}/", "", "all/"])
def test_many_nodes_become_few_boxes(scope: str) -> None:
    """Whether they have scopes, none, or one for all."""
    drawn = draw_simulation(simulated(towers(300, scope=scope, count=4), "cpu:4"), "large")
    assert 50 < boxes(drawn) <= MOST
    assert any(text.startswith("2,406 nodes are drawn as ") for text in texts(drawn))


def test_names_may_be_anything() -> None:
    graph = towers(1)
    odd = {node.name: f"{node.name}<&\"'>\x01]]>" for node in graph.nodes}
    simulation = simulated(graph)
    named = simulation.formulation._replace(nodes=[odd[name] for name in simulation.formulation.nodes])
    nodes = [replace(node, name=odd[node.name], inputs=()) for node in graph.nodes]
    drawn = draw_simulation(simulation._replace(graph=Graph(tuple(nodes)), formulation=named), "a<b&c")
    assert texts(drawn)[0] == "a<b&c"
    assert "<title>a&lt;b&amp;c</title>" in html_page(drawn, "a<b&c")


def test_nodes_that_the_step_does_not_need_are_left_out() -> None:
    drawn = draw_simulation(simulated(towers(2), step=("tower0/layer1/t0l1t",)), "half")
    assert "x1" not in texts(drawn)
    assert any("that the step does not need are left out" in text for text in texts(drawn))


def test_nothing_at_all() -> None:
    ElementTree.fromstring(draw_simulation(simulated(Graph(())), "empty"))


def test_one_device() -> None:
    found = texts(draw_simulation(simulated(towers(2), "cpu:1"), "alone"))
    assert not any("→" in text for text in found)


def test_a_limit_on_memory_is_drawn() -> None:
    machine = parse_devices("cpu:2")
    devices = tuple(replace(device, memory=500_000) for device in machine.devices)
    placement = place(towers(2), replace(machine, devices=devices), "greedy")
    drawn = draw_simulation(simulation_of_placement(placement), "tight")
    assert 'class="limit"' in drawn
    assert any(text.endswith("of 500.0 kB") for text in texts(drawn))


def test_a_tensor_is_drawn_once_to_each_device() -> None:
    """One arrow for the transfer, however many read it; the copy goes on from the first of them."""
    simulation = simulated(towers(3))
    found = blocks(simulation)
    drawn = [transfer for flow in found.flows for transfer in flow.transfers]
    assert sorted(drawn) == list(range(len(simulation.schedule.transfers)))


@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_boxes_do_not_overlap(seed: int, count: int, devices: int) -> None:
    """On random graphs: everything below what it needs, and beside what is in its layer."""
    import random

    chosen = random.Random(seed)
    g = tfg.GraphBuilder()
    made = [g.placeholder("float", [8, 8], name="x")]
    for number in range(count):
        some = chosen.choices(made[-6:], k=chosen.randint(1, 3))
        scope = f"s{chosen.randint(0, 3)}/" * chosen.randint(0, 2)
        made.append(g.AddN(some, name=f"{scope}n{number}"))
    found = blocks(simulated(g.graph(), f"cpu:{devices}"), most=25)
    placed = lay_out(found)
    assert len(found.blocks) <= 25
    for flow in found.flows:
        if flow.source < flow.target:
            assert placed.layer[flow.source] < placed.layer[flow.target]
    rows: dict[tuple[int, int], list[float]] = {}
    for number, block in enumerate(found.blocks):
        rows.setdefault((block.device, placed.layer[number]), []).append(placed.x[number])
    for row in rows.values():
        ordered = sorted(row)
        assert all(right - left >= BOX for left, right in pairwise(ordered))
    for lane in placed.lanes:
        for number, block in enumerate(found.blocks):
            if block.device == lane.device:
                assert lane.left <= placed.x[number] - BOX / 2 + 1e-6
                assert placed.x[number] + BOX / 2 <= lane.left + lane.width + 1e-6
