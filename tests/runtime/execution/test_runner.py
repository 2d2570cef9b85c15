"""Step after step: how many, where a resumed run goes on, and what ends it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tfg
from tfg.runtime.execution import runner
from tfg.runtime.execution.batches import Position, make_batches
from tfg.runtime.execution.runner import Progress, StepLoop, progress_from

BATCHES = make_batches({"x": np.arange(10)}, 3)


@pytest.mark.parametrize(
    ("options", "total"),
    [
        ({}, 1),
        ({"steps": 5}, 5),
        ({"batches": BATCHES}, 4),
        ({"batches": BATCHES, "steps": 9}, 9),
        ({"batches": BATCHES, "epochs": 3}, 12),
        ({"batches": BATCHES, "epochs": 3, "steps": 5}, 5),
        ({"batches": BATCHES, "epochs": 0}, 0),
        ({"until_exhausted": True}, None),
        ({"until_exhausted": True, "steps": 2}, 2),
    ],
)
def test_how_many_steps_there_are(options: dict[str, Any], total: int | None) -> None:
    assert StepLoop(**options).total == total


def test_notes_take_a_run_up_where_it_stood() -> None:
    stood = Progress(11, Position(2, 3))
    assert progress_from(stood.notes(BATCHES), BATCHES) == stood
    assert progress_from(stood.notes(BATCHES), None) == Progress(11)
    assert progress_from(stood.notes(None), BATCHES) == Progress(11)
    assert progress_from({}, BATCHES) == Progress()


@pytest.mark.parametrize(
    "other",
    [
        make_batches({"x": np.arange(11)}, 3),
        make_batches({"x": np.arange(10)}, 4),
        make_batches({"x": np.arange(10)}, 3, shuffle=True),
        make_batches({"x": np.arange(10)}, 3, seed=1),
        make_batches({"x": np.arange(10)}, 3, only_whole=True),
    ],
)
def test_batches_cut_otherwise_begin_anew(other: Any) -> None:
    notes = Progress(11, Position(2, 3)).notes(BATCHES)
    assert progress_from(notes, other) == Progress(11)


@pytest.mark.parametrize("value", ["x", -1, 1.5, None, [], True])
@pytest.mark.parametrize("key", ["step", "epoch", "batch"])
def test_notes_that_make_no_sense(key: str, value: Any) -> None:
    notes = Progress(11, Position(2, 3)).notes(BATCHES)
    (notes if key == "step" else notes["feeds"])[key] = value
    with pytest.raises(tfg.TfgError) as caught:
        progress_from(notes, BATCHES)
    assert caught.value.status == "DATA_LOSS"


def test_a_position_past_the_epoch_begins_anew() -> None:
    notes = Progress(11, Position(2, 99)).notes(BATCHES)
    assert progress_from(notes, BATCHES) == Progress(11)


class Counted:
    """A session whose steps give their number, and run out of input at some."""

    def __init__(self, last: int = 100) -> None:
        self.last = last
        self.fed: list[Any] = []

    def run(self, fetches: Any, feeds: Any, targets: Any, **options: Any) -> list[Any]:
        if len(self.fed) == self.last:
            raise tfg.TfgError(tfg.Status.OUT_OF_RANGE, "no more")
        self.fed.append(feeds)
        return [len(self.fed)]


def values(session: Any, work: StepLoop, **options: Any) -> list[int]:
    return [result.values[0] for result in runner.run(session, work, **options)]


def test_steps_go_through_the_batches() -> None:
    session = Counted()
    assert values(session, StepLoop(feeds={"y": 1}, batches=BATCHES, steps=5)) == [1, 2, 3, 4, 5]
    assert [feeds["x"].tolist() for feeds in session.fed[2:]] == [[6, 7, 8], [9], [0, 1, 2]]
    assert all(feeds["y"] == 1 for feeds in session.fed)


def test_a_run_ends_where_its_input_does_only_if_asked_to() -> None:
    assert values(Counted(3), StepLoop(until_exhausted=True)) == [1, 2, 3]
    with pytest.raises(tfg.TfgError, match="no more"):
        values(Counted(3), StepLoop(steps=5))


def test_a_stop_is_noticed_between_steps() -> None:
    session = Counted()
    assert values(session, StepLoop(steps=50), stop=lambda: len(session.fed) == 4) == [1, 2, 3, 4]


def test_epochs_need_batches() -> None:
    with pytest.raises(tfg.TfgError):
        values(Counted(), StepLoop(epochs=2))
