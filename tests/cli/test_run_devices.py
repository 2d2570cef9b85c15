"""``tfg run`` on several devices: ``--devices``, folders of parts, traces."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from .command import is_diagnostic, run_tfg
from .graphs import FLOAT, ONE, SCALAR, node

PLACED = (
    ONE.replace('op: "Const"', 'op: "Const" device: "/cpu:0"')
    + node("a", "Neg", "one", T=FLOAT).replace('"Neg"', '"Neg" device: "/cpu:1"')
    + node("b", "Sub", "one", "a", T=FLOAT).replace('"Sub"', '"Sub" device: "/cpu:0"')
)


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    path = tmp_path / "g.pbtxt"
    path.write_text(PLACED)
    return path


@pytest.fixture
def parts(graph: Path, tmp_path: Path) -> Path:
    fed = node("x", "Placeholder", dtype=FLOAT, shape=f"{SCALAR}")
    graph.write_text(
        PLACED.replace('input: "one"', 'input: "x"') + fed.replace('"x" ', '"x" device: "/cpu:0" ')
    )
    assert run_tfg("place", graph, "--devices", "cpu:2", "-o", tmp_path / "placed.pbtxt").status == 0
    assert run_tfg("partition", tmp_path / "placed.pbtxt", "-o", tmp_path / "parts").status == 0
    return tmp_path / "parts"


def test_the_values_are_those_of_one_device(graph: Path) -> None:
    one = run_tfg("run", graph, "--fetch", "b", "--fetch", "a")
    assert run_tfg("run", graph, "--fetch", "b", "--fetch", "a", "--devices", "cpu:2").out == one.out


def test_parts_run_together(parts: Path) -> None:
    assert run_tfg("run", parts, "--feed", "x=3", "--fetch", "b").out == "b = 6.0\n"


def test_a_part_by_itself_names_what_it_waits_for(parts: Path) -> None:
    outcome = run_tfg("run", parts / "CPU_1.pbtxt", "--fetch", "a")
    assert is_diagnostic(outcome, "INTERNAL", "waits for a value that no part sends", "CPU_1.pbtxt:")


def test_a_part_whose_send_is_gone_is_named_at_once(parts: Path) -> None:
    first = parts / "CPU_0.pbtxt"
    first.write_text(first.read_text().replace('op: "_Send"', 'op: "_HostSend"').replace("edge_0", "edge_9"))
    assert is_diagnostic(
        run_tfg("run", parts, "--feed", "x=3", "--fetch", "b"), "INVALID_ARGUMENT", "which no part sends"
    )


def test_parts_for_devices_that_there_are_not(parts: Path) -> None:
    for file in parts.iterdir():
        file.write_text(file.read_text().replace("task:0/device:CPU:1", "task:1/device:CPU:1"))
    assert is_diagnostic(
        run_tfg("run", parts, "--feed", "x=3", "--fetch", "b"),
        "INVALID_ARGUMENT",
        "/job:localhost/replica:0/task:1/device:CPU:1, which this machine does not have",
    )


@pytest.mark.parametrize(
    ("spec", "words"), [("tpu:2", "unknown device type 'tpu'"), ("cpu:1", "there is no such device")]
)
def test_devices_that_cannot_be_had(graph: Path, spec: str, words: str) -> None:
    assert is_diagnostic(run_tfg("run", graph, "--fetch", "b", "--devices", spec), "INVALID_ARGUMENT", words)


def test_a_trace_names_the_devices(graph: Path, tmp_path: Path) -> None:
    trace = tmp_path / "t.json"
    run_tfg("run", graph, "--fetch", "b", "--devices", "cpu:2", "--trace", trace)
    assert tracks(trace, 1) == ["tfg", "steps", "measured", "CPU:0", "CPU:1"]


def test_the_simulated_step_stands_beneath_the_measured_one(graph: Path, tmp_path: Path) -> None:
    trace = tmp_path / "t.json"
    outcome = run_tfg("run", graph, "--fetch", "b", "--devices", "cpu:2", "--trace", trace, "--steps", "3")
    assert re.fullmatch(r"note: measured step \S+ .?s, simulated step \S+ .?s \([+-]\d+%\)\n", outcome.err)
    links = ["CPU:0 → CPU:1", "CPU:1 → CPU:0"]
    assert tracks(trace, 2) == ["simulated", "CPU:0", "CPU:1", *links]
    events = json.loads(trace.read_text())["traceEvents"]
    measured, simulated = ([e for e in events if e["pid"] == p and e["ph"] == "X"] for p in (1, 2))
    # What it takes to send a constant counts to the constant.
    assert {e["name"] for e in simulated if e["cat"] != "transfer"} == {"one", "a", "b"}
    starts = {e["args"]["step"]: e["ts"] for e in reversed(measured) if "step" in e["args"]}
    assert min(e["ts"] for e in simulated) >= min(starts.values())


def test_what_runs_on_one_device_is_not_simulated(graph: Path, tmp_path: Path) -> None:
    trace = tmp_path / "t.json"
    outcome = run_tfg("run", graph, "--fetch", "one", "--devices", "cpu:2", "--trace", trace)
    assert (outcome.status, outcome.err, tracks(trace, 2)) == (0, "", [])


def tracks(trace: Path, process: int) -> list[str]:
    """What a process of a trace and its tracks are called, without this computer's own task."""
    found = [e for e in json.loads(trace.read_text())["traceEvents"] if e["ph"] == "M"]
    names = [e["args"]["name"] for e in found if e["pid"] == process and "name" in e["args"]]
    order = sorted(names, key=lambda name: "/" in name)
    return [re.sub(r"/job:localhost/replica:0/task:0/device:", "", name) for name in order]


def test_a_device_has_at_least_one_thread(graph: Path) -> None:
    assert run_tfg("run", graph, "--fetch", "b", "--threads-per-device", "0").status == 2
