"""``tfg simulate``: tables, documents, drawings and wrong command lines."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from .command import is_diagnostic, run_tfg

MLP = Path(__file__).parents[2] / "samples" / "digits" / "mlp.pbtxt"
NULL_STEP = ("--fetched", "100MB", "--servers", "16", "--overhead", "25ms", "--latency", "0")


def test_a_row_for_each_number_of_workers() -> None:
    outcome = run_tfg("simulate", *NULL_STEP, "--workers", "1:30")
    assert outcome.status == 0, outcome.err
    assert outcome.out.splitlines()[1].split() == ["workers", "step", "p90", "examples/s", "limit"]
    assert [line.split()[:2] for line in outcome.out.splitlines()[2:-1]] == [
        *(["1", "125"], ["2", "125"], ["5", "125"], ["10", "125"]),
        *(["20", "150"], ["30", "212"]),
    ]
    assert outcome.out.splitlines()[-1].startswith("saturates at ")


def test_a_graph_gives_its_own_numbers_unless_others_are_given() -> None:
    document = run_tfg("simulate", MLP, "--fetch", "loss", "--batch", "64", "--workers", "3", "--json").json
    assert document["workload"]["fetched_bytes"] == 38440
    assert document["workload"]["items"] == 64
    assert document["workload"]["compute"] > 0
    other = run_tfg("simulate", MLP, "--fetch", "loss", "--parameters", "1kB", "--pushed", "5", "--json").json
    assert (other["workload"]["fetched_bytes"], other["workload"]["pushed_bytes"]) == (1000, 5)


def test_backups_and_failures_have_columns_of_their_own() -> None:
    line = ("simulate", "--compute", "1s", "--workers", "8", "--stragglers", "20%:2", "--backup", "0:2")
    outcome = run_tfg(*line, "--mtbf", "10h", "--checkpoint-time", "1s")
    header = outcome.out.splitlines()[1]
    for title in ("backups", "gain per machine", "useful", "checkpoint every"):
        assert title in header
    assert [line.split()[:2] for line in outcome.out.splitlines()[2:5]] == [
        ["8", "0"],
        ["8", "1"],
        ["8", "2"],
    ]


def test_measured_steps_state_the_error() -> None:
    line = ("simulate", *NULL_STEP, "--workers", "1:10")
    outcome = run_tfg(*line, "--measured", "1=130ms", "--measured", "10=100ms")
    assert "1 worker: 130 ms measured, 125 ms predicted (-3.8%)" in outcome.out
    assert "10 workers: 100 ms measured, 125 ms predicted (+25.0%)" in outcome.out
    fitted = run_tfg(*line, "--measured", "1=110ms", "--measured", "5=118ms", "--fit", "--json").json
    assert (fitted["overhead"], fitted["fan_out"]) == pytest.approx((8e-3, 2e-3))


def test_the_drawing_shows_each_prediction_and_each_measured_step(tmp_path: Path) -> None:
    svg = tmp_path / "plot.svg"
    line = ("simulate", *NULL_STEP, "--workers", "1,10,100", "--measured", "10=130ms", "--svg", svg)
    assert run_tfg(*line, "--backup", "0,3").status == 0
    circles = [one for one in ElementTree.parse(svg).iter() if one.tag.endswith("circle")]
    assert len(circles) == 2 * 3 * 2 + 1


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--compute", "1x"),
        ("--compute", "1s", "--workers", "5:1"),
        ("--compute", "1s", "--workers", "0"),
        ("--compute", "1s", "--workers", "1000000"),
        ("--compute", "1s", "--backup", "x"),
        ("--compute", "1s", "--bandwidth", "fast"),
        ("--compute", "1s", "--jitter", "-3%"),
        ("--compute", "1s", "--stragglers", "6%"),
        ("--compute", "1s", "--stragglers", "600%:3%"),
        ("--compute", "1s", "--measured", "3"),
        ("--compute", "1s", "--fit"),
        ("--compute", "1s", "--asynchronous", "--backup", "2"),
        ("--compute", "1s", "--target", "train"),
    ],
)
def test_wrong_command_lines(options: tuple[str, ...]) -> None:
    outcome = run_tfg("simulate", *options)
    assert outcome.status == 2
    assert is_diagnostic(outcome, "INVALID_ARGUMENT")


def test_a_missing_graph_and_a_missing_folder() -> None:
    assert is_diagnostic(run_tfg("simulate", "none.pbtxt"), "NOT_FOUND")
    assert is_diagnostic(run_tfg("simulate", "--compute", "1s", "--svg", "no/where.svg"), "NOT_FOUND")
