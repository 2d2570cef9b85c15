"""The progress of a run: its lines at several widths, and on a terminal."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from tfg.cli.common.progress_display import RunState, fitting, lines

from .command import run_tfg
from .graphs import FLOAT, ONE, node
from .terminal import on_terminal, plain_lines


def shown(state: RunState, width: int) -> list[str]:
    from rich.console import Console

    console = Console(file=io.StringIO(), width=width)
    console.print(lines(state, width))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


STATE = RunState(1200, 2000, 1200, 12.0, ["loss 0.25"])


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_the_lines_fit(width: int) -> None:
    first, second = shown(STATE, width)
    assert len(first) <= width
    assert first.startswith("step 1200/2000")
    assert ("100 steps/s" in first) == (width >= 40)
    assert ("━" in first) == (width >= 80)
    assert width < 40 or first.endswith("0:08 left")
    assert second == "loss 0.25"


def test_after_a_restore_the_step_is_not_the_number_of_steps_done() -> None:
    assert STATE._replace(step=3200).position == "step 3200 (1200/2000)"
    assert STATE._replace(total=None).position == "step 1200"


def test_the_time_is_that_taken_at_the_end() -> None:
    assert STATE._replace(done=2000, step=2000, seconds=3725.0).clock == "in 1:02:05"
    assert STATE._replace(total=None).clock == "in 0:12"


def test_slow_steps_have_a_rate() -> None:
    assert STATE._replace(done=3, seconds=60.0).rate == "0.05 steps/s"
    assert STATE._replace(done=30_000, seconds=10.0).rate == "3,000 steps/s"


def test_fetches_that_do_not_fit_are_left_out() -> None:
    assert fitting(["loss 0.25", "accuracy 1"], 40) == "loss 0.25  accuracy 1"
    assert fitting(["loss 0.25", "accuracy 1"], 20) == "loss 0.25  …"
    assert fitting(["a/very/long/name 0.25"], 10) == "a/very/lo…"


@pytest.fixture
def counting(tmp_path: Path) -> Path:
    variable = node("n", "VariableV2", dtype=FLOAT, shape="shape { }")
    text = ONE + variable + node("init", "Assign", "n", "one", T=FLOAT)
    path = tmp_path / "count.pbtxt"
    path.write_text(text + node("up", "AssignAdd", "n", "one", T=FLOAT))
    return path


def test_a_long_run_shows_its_progress(counting: Path) -> None:
    text = on_terminal(
        "run", counting, "--init", "init", "--fetch", "up", "--steps", "60000", "--log-every", "20000", width=80
    )  # fmt: skip
    assert "left" in text
    rows = plain_lines(text)
    assert [row for row in rows if re.match(r".*step 60000/60000 ━+ [\d,]+ steps/s in \d:\d\d$", row)]
    assert rows[-2:] == ["up = 60001.0", ""]
    logged = [row for row in rows if re.search(r"step 20000/60000  up 20001", row)]
    assert len(logged) == 1


def test_a_short_run_shows_none(counting: Path) -> None:
    line = ["run", counting, "--init", "init", "--fetch", "up", "--steps", "3"]
    assert on_terminal(*line, width=80) == "up = 4.0\n"


def test_without_a_terminal_there_is_none(counting: Path) -> None:
    outcome = run_tfg("run", counting, "--init", "init", "--fetch", "up", "--steps", "60000")
    assert (outcome.out, outcome.err) == ("up = 60001.0\n", "")
