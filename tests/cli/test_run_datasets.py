"""``tfg run`` on graphs with input pipelines: how a run ends with its data, and goes on in the middle of it."""

from __future__ import annotations

from pathlib import Path

from ..kernels.families.data.pipelines import GOLDEN, recorded
from .command import run_tfg

_GRAPH = GOLDEN / "shuffled_anew.pbtxt"
_ORDER = [outcome[0]["values"][0] for outcome in recorded("shuffled_anew").outcomes[:20]]


def _values(*options: str) -> list[int]:
    outcome = run_tfg(
        "run", _GRAPH, "--init", "MakeIterator", "--fetch", "IteratorGetNext", "--json", *options
    )
    assert outcome.status == 0, outcome.err
    return [value["value"] for line in outcome.json_lines for value in line["values"].values()]


def test_goes_on_in_the_middle_of_a_shuffled_pass(tmp_path: Path) -> None:
    state = ("--state", str(tmp_path / "state.h5"), "--steps", "4")
    assert [_values(*state) for _ in range(4)] == [_ORDER[i : i + 4] for i in range(0, 16, 4)]


def test_ends_with_the_data() -> None:
    assert _values("--until-exhausted")[:20] == _ORDER


def test_names_the_iterator_without_dataset() -> None:
    outcome = run_tfg("run", _GRAPH, "--fetch", "IteratorGetNext")
    assert outcome.status == 1
    assert "Run the MakeIterator of iterator 'IteratorV2' first (--init)" in outcome.err
    assert "shuffled_anew.pbtxt" in outcome.err
