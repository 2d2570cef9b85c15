"""``tfg run`` with checkpoints: written while it runs, gone on from, also when the process dies."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tfg.graphfmt.checkpoints.hdf5 import state_file

from ..behaviour.test_process import start
from .command import run_tfg

ROOT = Path(__file__).parent.parent.parent
DIGITS = ROOT / "samples" / "digits"
DATA = ["--feed", f"x=@{DIGITS}/digits.npz[x_train]", "--feed", f"y=@{DIGITS}/digits.npz[y_train]"]
TRAINING = ["--init", "init", "--target", "train", "--batch", "64", "--shuffle", "--seed", "3", *DATA]


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("train") / "train.pbtxt"
    outcome = run_tfg("grad", DIGITS / "mlp.pbtxt", "--loss", "loss", "--optimizer", "adam", "-o", made)
    assert outcome.status == 0
    return made


def run(train: Path, *more: str | Path) -> None:
    outcome = run_tfg("run", train, *TRAINING, *more)
    assert outcome.status == 0, outcome.err


def assert_equal(a: Path, b: Path) -> None:
    """Two states hold the same, bit for bit."""
    first, second = state_file.read(a), state_file.read(b)
    assert first.resources.keys() == second.resources.keys()
    for key, arrays in first.resources.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, second.resources[key][name])
    assert first.notes["step"] == second.notes["step"]
    assert first.notes["feeds"] == second.notes["feeds"]


def test_a_run_that_goes_on_from_a_checkpoint_ends_where_the_whole_run_does(
    train: Path, tmp_path: Path
) -> None:
    run(train, "--steps", "40", "--checkpoint", tmp_path / "whole.h5", "--every", "15", "--keep", "9")
    for step in (15, 30):
        rest = tmp_path / f"rest{step}.h5"
        run(train, "--until-step", "40", "--restore", tmp_path / f"whole-{step}.h5", "--checkpoint", rest)
        assert_equal(rest, tmp_path / "whole.h5")


def test_the_same_line_begins_a_job_and_goes_on_with_it(train: Path, tmp_path: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    line = ["--restore", f"latest:{folder}", "--checkpoint", folder / "m.h5", "--every", "10"]
    run(train, *line, "--until-step", "25")
    run(train, *line, "--until-step", "40")
    run(train, *line, "--until-step", "40")
    run(train, "--steps", "40", "--checkpoint", tmp_path / "whole.h5")
    assert_equal(folder / "m.h5", tmp_path / "whole.h5")


def processes(text: str) -> list[int]:
    """The processes with a text in their command line, the newest last."""
    found: list[tuple[int, int]] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if text in (folder / "cmdline").read_text():
                found.append((folder.stat().st_ctime_ns, int(folder.name)))
        except OSError:
            continue
    return [pid for _, pid in sorted(found)]


def wait_for(condition: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
def test_a_run_whose_process_is_killed_is_started_anew(train: Path, tmp_path: Path) -> None:
    made = tmp_path / "m.h5"
    line = ["--steps", "4000", "--checkpoint", made, "--every", "50", "--max-restarts", "2"]
    watcher = start("run", train, *TRAINING, *line)
    wait_for(made.exists)
    victims = [pid for pid in processes(str(made)) if pid != watcher.pid]
    os.kill(victims[-1], signal.SIGKILL)
    _, err = watcher.communicate(timeout=60)
    assert watcher.returncode == 0, err
    assert "restart 1 of 2: the run was killed by SIGKILL\nresuming from" in err
    run(train, "--steps", "4000", "--checkpoint", tmp_path / "whole.h5", "--every", "10000")
    assert_equal(made, tmp_path / "whole.h5")


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
def test_a_run_that_is_told_to_end_is_not_started_anew(train: Path, tmp_path: Path) -> None:
    made = tmp_path / "m.h5"
    line = ["--steps", "100000", "--checkpoint", made, "--every", "50", "--max-restarts", "2"]
    watcher = start("run", train, *TRAINING, *line)
    wait_for(made.exists)
    watcher.terminate()
    _, err = watcher.communicate(timeout=60)
    assert watcher.returncode == 128 + signal.SIGTERM
    assert "restart" not in err
    assert not processes(str(made))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--every", "3"], "--every needs --checkpoint"),
        (["--keep", "3"], "--keep needs --checkpoint"),
        (["--mtbf", "3h"], "--mtbf needs --checkpoint"),
        (["--max-restarts", "3"], "--max-restarts resumes from checkpoints, so it needs --checkpoint"),
        (["--checkpoint", "m.ckpt"], "a checkpoint is a .h5 file, not 'm.ckpt'"),
        (["--steps", "3", "--until-step", "3"], "--until-step excludes --steps and --epochs"),
    ],
)
def test_a_wrong_command_line(train: Path, options: list[str], message: str) -> None:
    outcome = run_tfg("run", train, *TRAINING, *options)
    assert outcome.status == 2
    assert message in outcome.err


def test_an_interval_that_is_none(train: Path, tmp_path: Path) -> None:
    outcome = run_tfg("run", train, *TRAINING, "--checkpoint", tmp_path / "m.h5", "--every", "often")
    assert outcome.status == 2
    assert "not 'often'" in outcome.err


def test_a_state_is_not_replaced_by_a_restore(train: Path, tmp_path: Path) -> None:
    run(train, "--steps", "1", "--state", tmp_path / "s.h5")
    outcome = run_tfg("run", train, *TRAINING, "--state", tmp_path / "s.h5", "--restore", tmp_path / "s.h5")
    assert outcome.status == 2
    assert "--restore would replace the existing state" in outcome.err


def test_nothing_to_restore(train: Path, tmp_path: Path) -> None:
    outcome = run_tfg("run", train, "--target", "train", *DATA, "--restore", f"latest:{tmp_path}")
    assert outcome.status == 1
    assert "error[NOT_FOUND]: there is no checkpoint in" in outcome.err


def test_a_checkpoint_of_another_graph_is_refused(train: Path, tmp_path: Path) -> None:
    run(train, "--steps", "1", "--checkpoint", tmp_path / "m.h5")
    conv = DIGITS / "conv.pbtxt"
    outcome = run_tfg("run", conv, "--fetch", "accuracy", *DATA, "--restore", tmp_path / "m.h5")
    assert outcome.status == 1
    assert "error[NOT_FOUND]" in outcome.err
    assert "filters1" in outcome.err and "filters2" in outcome.err


def test_a_graph_takes_of_a_checkpoint_what_it_has(train: Path, tmp_path: Path) -> None:
    run(train, "--steps", "60", "--checkpoint", tmp_path / "m.h5")
    test = ["--feed", f"x=@{DIGITS}/digits.npz[x_test]", "--feed", f"y=@{DIGITS}/digits.npz[y_test]"]
    line = ["run", DIGITS / "mlp.pbtxt", *test, "--fetch", "accuracy", "--json"]
    outcome = run_tfg(*line, "--restore", tmp_path / "m.h5")
    assert outcome.json["values"]["accuracy"]["value"] > 0.5
    # TensorFlow's format does as well.
    written = run_tfg("checkpoint", train, "--state", tmp_path / "m.h5", "-o", tmp_path / "model.ckpt")
    assert written.status == 0, written.err
    again = run_tfg(*line, "--restore", tmp_path / "model.ckpt")
    assert again.json["values"] == outcome.json["values"]


def test_a_run_that_is_told_to_end_keeps_what_it_has_done(train: Path, tmp_path: Path) -> None:
    made, state = tmp_path / "m.h5", tmp_path / "s.h5"
    line = ["--steps", "1000000", "--checkpoint", made, "--every", "20", "--state", state]
    running = start("run", train, *TRAINING, *line)
    wait_for(made.exists)
    running.terminate()
    _, err = running.communicate(timeout=60)
    assert running.returncode == 143, err
    assert "terminated: ending after the current step" in err
    assert_equal(made, state)
