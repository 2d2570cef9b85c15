"""``tfg place``: devices for all nodes, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import tfg

from .command import is_diagnostic, matches_golden, run_tfg, write

MACHINE = """
device { name: "/device:CPU:0" memory: "2 MB" speed: "50 GFLOP/s" bandwidth: "10 GB/s" }
device { name: "/device:CPU:1" memory: "1 MB" speed: "25 GFLOP/s" bandwidth: "10 GB/s" }
link { source: "/device:CPU:0" target: "/device:CPU:1" bandwidth: "10 GB/s" latency: "30 us" }
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two branches of matrix products, a variable, and a machine of two unlike devices."""
    monkeypatch.chdir(tmp_path)
    g = tfg.GraphBuilder()
    ends = []
    for branch in range(2):
        x = g.placeholder("float", [None, 200], name=f"x{branch}")
        w = g.VariableV2(shape=[200, 200], dtype="float", name=f"w{branch}")
        ends.append(g.MatMul(g.MatMul(x, w, name=f"b{branch}/0"), w, name=f"b{branch}/1"))
    g.AddV2(*ends, name="y")
    tfg.save(g.graph(), "g.pbtxt")
    write(tmp_path, "machine.pbtxt", MACHINE)


PLACE = ("place", "g.pbtxt", "--batch", "200")


def test_all_algorithms_side_by_side() -> None:
    outcome = run_tfg(*PLACE, "--devices", "machine.pbtxt", "--algorithm", "all", "-o", "placed.pbtxt")
    assert (outcome.status, outcome.err) == (0, "")
    assert matches_golden("place-all.txt", outcome.out)
    assert {node.device[-5:] for node in tfg.load("placed.pbtxt").nodes} == {"CPU:0", "CPU:1"}


def test_why_a_node_is_where_it_is() -> None:
    outcome = run_tfg(*PLACE, "--devices", "machine.pbtxt", "--explain", "y", "-o", "placed.pbtxt")
    assert (outcome.status, outcome.err) == (0, "")
    assert matches_golden("place-explain.txt", outcome.out)


def test_why_all_nodes_are_where_they_are() -> None:
    outcome = run_tfg(*PLACE, "--devices", "cpu:2", "--algorithm", "heft", "--explain")
    assert (outcome.status, outcome.err) == (0, "")
    assert matches_golden("place-explain-all.txt", outcome.out)


def test_through_a_pipe_the_table_goes_to_standard_error() -> None:
    outcome = run_tfg(*PLACE, "--devices", "cpu:2", "--algorithm", "all", "-o", "-")
    assert outcome.status == 0
    assert "of bound" in outcome.err
    assert run_tfg("validate", "-", stdin=outcome.raw).out == "-: valid, 9 nodes\n"


@pytest.mark.parametrize("algorithm", ["greedy", "heft", "etf", "pipeline", "single", "search", "best"])
def test_each_algorithm_as_json(algorithm: str) -> None:
    document = run_tfg(*PLACE, "--devices", "cpu:2", "--algorithm", algorithm, "--json").json
    trials = {trial["algorithm"]: trial for trial in document["trials"]}
    assert document["file"] is None
    assert list(trials) == (
        [algorithm] if algorithm != "best" else ["greedy", "heft", "etf", "pipeline", "single", "search"]
    )
    assert document["makespan"] == trials[document["algorithm"]]["makespan"]
    assert document["makespan"] >= max(document["lower_bounds"].values()) > 0
    assert sum(device["nodes"] for device in document["devices"].values()) == 9


def test_an_explanation_as_json() -> None:
    document = run_tfg(*PLACE, "--devices", "cpu:2", "--explain", "y", "--json").json
    found = document["explanation"]
    assert found["node"] == "y"
    assert [device["chosen"] for device in found["devices"]].count(True) == 1
    every = run_tfg(*PLACE, "--devices", "cpu:2", "--json", "--explain").json["nodes"]
    assert {row["node"] for row in every} == set(tfg.load("g.pbtxt").index)


def test_measured_costs() -> None:
    events = [
        {"name": f"b{b}/{i}", "ph": "X", "dur": 1e6 if b else 1e3, "args": {"op": "MatMul", "step": 0}}
        for b in range(2)
        for i in range(2)
    ]
    write(Path(), "trace.json", json.dumps({"traceEvents": events}))
    document = run_tfg(*PLACE, "--devices", "cpu:2", "--costs", "trace.json", "--json").json
    assert document["makespan"] == pytest.approx(2, rel=0.1)


def test_a_search_by_the_clock() -> None:
    assert run_tfg(*PLACE, "--devices", "cpu:2", "--budget", "0.1s").status == 0


def test_the_step_that_is_to_be_fast() -> None:
    both = run_tfg(*PLACE, "--devices", "cpu:1", "--json").json["makespan"]
    one = run_tfg(*PLACE, "--devices", "cpu:1", "--fetch", "b0/1", "--json").json["makespan"]
    assert one == pytest.approx(both / 2, rel=0.1)


def test_a_request_passed_over_is_told() -> None:
    graph = Path("g.pbtxt").read_text().replace('name: "y"', 'name: "y" device: "/device:CPU:5"')
    write(Path(), "asking.pbtxt", graph)
    outcome = run_tfg("place", "asking.pbtxt", "--devices", "cpu:2", "-o", "o.pbtxt")
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", "Cannot assign a device for operation 'y'")
    assert not Path("o.pbtxt").exists()
    assert run_tfg("place", "asking.pbtxt", "--devices", "cpu:2", "--soft", "-o", "o.pbtxt").status == 0


@pytest.mark.parametrize(
    ("spec", "why"),
    [("tpu:2", "unknown device type 'tpu'"), ("cpu:two", "'two' is not a number"), ("", "no device")],
)
@pytest.mark.parametrize("command", [PLACE, ("run", "g.pbtxt", "--fetch", "y"), ("partition", "g.pbtxt")])
def test_counts_of_devices_that_cannot_be_are_a_wrong_command_line(
    command: Sequence[str], spec: str, why: str
) -> None:
    outcome = run_tfg(*command, "--devices", spec, "-o", "o.npz")
    assert outcome.status == 2
    assert why in outcome.err


@pytest.mark.parametrize(
    ("options", "status", "why"),
    [
        (["--devices", "none.pbtxt"], "", "none.pbtxt"),
        (["--devices", "cpu:2", "--costs", "none.json"], "NOT_FOUND", "none.json"),
        (["--devices", "cpu:2", "--costs", "g.pbtxt"], "INVALID_ARGUMENT", "the trace of costs is not JSON"),
        (["--devices", "cpu:2", "--budget", "soon"], "INVALID_ARGUMENT", "'soon'"),
        (["--devices", "cpu:2", "--explain", "z"], "NOT_FOUND", "no node called 'z'"),
        (["--devices", "cpu:2", "--target", "z"], "NOT_FOUND", "'z'"),
        (["--devices", "small.pbtxt"], "RESOURCE_EXHAUSTED", "more than its memory of 100,000"),
    ],
)
def test_what_cannot_be_placed(options: list[str], status: str, why: str) -> None:
    write(Path(), "small.pbtxt", MACHINE.replace("1 MB", "100 kB").replace("2 MB", "100 kB"))
    outcome = run_tfg(*PLACE, *options, "-o", "o.pbtxt")
    assert outcome.status == 1
    assert why in outcome.err
    assert not status or is_diagnostic(outcome, status)
    assert not Path("o.pbtxt").exists()


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--devices", "cpu:2", "--algorithm", "magic"],
        ["--devices", "cpu:2", "--batch", "0"],
        ["--devices", "cpu:2", "-o", "-", "--json"],
    ],
)
def test_a_wrong_command_line(options: list[str]) -> None:
    assert run_tfg("place", "g.pbtxt", *options).status == 2
