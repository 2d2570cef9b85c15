"""``tfg place --svg --html --trace``: files for the eye."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
import tfg

from .command import is_diagnostic, run_tfg


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    g = tfg.GraphBuilder()
    ends = [g.MatMul(g.placeholder("float", [300, 300], name=f"x{i}"), [[1.0] * 300] * 300) for i in range(2)]
    g.AddN(ends, name="y")
    tfg.save(g.graph(), "g.pbtxt")


PLACE = ("place", "g.pbtxt", "--devices", "cpu:2")


def test_all_three() -> None:
    outcome = run_tfg(*PLACE, "--svg", "o.svg", "--html", "o.html", "--trace", "o.json")
    assert (outcome.status, outcome.err) == (0, "")
    drawn = Path("o.svg").read_text()
    assert ElementTree.fromstring(drawn).tag == "{http://www.w3.org/2000/svg}svg"
    assert drawn in Path("o.html").read_text()
    events = json.loads(Path("o.json").read_text())["traceEvents"]
    assert {event["name"] for event in events if event["ph"] == "X"} >= {"MatMul", "MatMul_1", "y"}


def test_drawn_twice_it_is_the_same() -> None:
    for name in ("a.svg", "b.svg"):
        assert run_tfg(*PLACE, "--svg", name).status == 0
    assert Path("a.svg").read_bytes() == Path("b.svg").read_bytes()


def test_a_simulated_trace_tells_no_costs() -> None:
    """Simulated steps are labelled as such."""
    assert run_tfg(*PLACE, "--trace", "o.json").status == 0
    assert is_diagnostic(run_tfg(*PLACE, "--costs", "o.json"), "INVALID_ARGUMENT", "no events of operations")


@pytest.mark.parametrize(
    "options", [["--svg", "a", "--html", "a"], ["-o", "a", "--svg", "./a"], ["--svg", "-"], ["--html", "."]]
)
def test_a_wrong_command_line(options: list[str]) -> None:
    assert run_tfg(*PLACE, *options).status == 2


def test_where_no_file_can_be() -> None:
    outcome = run_tfg(*PLACE, "--svg", "none/o.svg")
    assert is_diagnostic(outcome, "NOT_FOUND", "there is no such folder")
