"""``tfg run -o``: the values of all steps, in files and pipes; and what is kept when output is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt import arrays

from .command import is_diagnostic, strict_json, write
from .graphs import FLOAT, const, dims, node, placeholder
from .test_run import run, saved, succeeded

# pred has a row for each of x; loss is one number; w, two by two, depends on no row; names are strings.
PREDICTION = (
    placeholder("x", shape=dims(-1, 2))
    + const("w", f"tensor_shape {{ {dims(2, 2)} }} float_val: 1 float_val: 2 float_val: 3 float_val: 4")
    + node("pred", "MatMul", "x", "w", T=FLOAT)
    + const("axes", f"tensor_shape {{ {dims(2)} }} int_val: 0 int_val: 1", "DT_INT32")
    + node("loss", "Sum", "pred", "axes", T=FLOAT, Tidx="type: DT_INT32")
    + node("names", "AsString", "pred", T=FLOAT)
)
ROWS = np.arange(10, dtype=np.float32).reshape(5, 2)
PREDICTED = ROWS @ np.float32([[1, 2], [3, 4]])
BATCH = ("--feed", "x=@x.npy", "--batch", "2")
SUFFIXES = pytest.mark.parametrize("suffix", [".npy", ".npz", ".json", ".h5"])


@pytest.fixture(autouse=True)
def in_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def prediction(tmp_path: Path) -> Path:
    np.save("x.npy", ROWS)
    return write(tmp_path, "g.pbtxt", PREDICTION)


@SUFFIXES
def test_batches_are_joined_to_what_one_large_step_gives(prediction: Path, suffix: str) -> None:
    succeeded(run(prediction, "--fetch", "pred", *BATCH, "-o", f"o{suffix}"))
    np.testing.assert_array_equal(saved(Path(f"o{suffix}"), "pred"), PREDICTED)
    assert sorted(p.name for p in Path().iterdir()) == sorted(["g.pbtxt", "x.npy", f"o{suffix}"])


@SUFFIXES
def test_strings_are_joined_too(prediction: Path, suffix: str) -> None:
    succeeded(run(prediction, "--fetch", "names", *BATCH, "-o", f"o{suffix}"))
    found = saved(Path(f"o{suffix}"), "names")
    texts = [[t.decode() if isinstance(t, bytes) else t for t in row] for row in found.tolist()]
    assert [[float(t) for t in row] for row in texts] == PREDICTED.tolist()


@SUFFIXES
@pytest.mark.parametrize("fetch", ["loss", "w"])
def test_what_has_no_batch_axis_is_stacked(prediction: Path, suffix: str, fetch: str) -> None:
    line = ("--fetch", fetch, "--target", "pred", *BATCH, "--steps", "2", "-o", f"o{suffix}")
    succeeded(run(prediction, *line))
    sums = [PREDICTED[:2].sum(), PREDICTED[2:4].sum()]
    w = [[[1, 2], [3, 4]]] * 2
    np.testing.assert_array_equal(saved(Path(f"o{suffix}"), fetch), sums if fetch == "loss" else w)


def test_json_tells_how_each_fetch_was_saved(prediction: Path) -> None:
    line = ("--fetch", "pred", "--fetch", "loss", "--fetch", "w", *BATCH, "-o", "o.npz", "--json")
    *steps, last = succeeded(run(prediction, *line)).json_lines
    assert [step["step"] for step in steps] == [1, 2, 3]
    assert last["saved"] == {
        "file": "o.npz",
        "fetches": {
            "pred": {"how": "joined", "shape": [5, 2]},
            "loss": {"how": "stacked", "shape": [3]},
            "w": {"how": "stacked", "shape": [3, 2, 2]},
        },
    }
    assert "pred joined [5, 2]" in run(prediction, *line[:-1], "-v").err


def test_steps_without_batches_are_stacked(prediction: Path) -> None:
    succeeded(run(prediction, "--fetch", "pred", "--feed", "x=@x.npy", "--steps", "2", "-o", "o.npy"))
    np.testing.assert_array_equal(np.load("o.npy"), [PREDICTED, PREDICTED])


def test_epochs_follow_each_other(prediction: Path) -> None:
    succeeded(run(prediction, "--fetch", "pred", *BATCH, "--epochs", "2", "-o", "o.npy"))
    np.testing.assert_array_equal(np.load("o.npy"), np.concatenate([PREDICTED, PREDICTED]))


@pytest.mark.parametrize(("batch", "rows"), [(2, 5), (3, 5), (8, 5)])
def test_a_graph_for_a_fixed_number_of_rows_predicts_all(tmp_path: Path, batch: int, rows: int) -> None:
    np.save("x.npy", ROWS)
    g = write(tmp_path, "g.pbtxt", placeholder("x", shape=dims(batch, 2)) + node("y", "Neg", "x", T=FLOAT))
    succeeded(run(g, "--fetch", "y", "--feed", "x=@x.npy", "--batch", str(batch), "-o", "o.npy"))
    np.testing.assert_array_equal(np.load("o.npy"), -ROWS[:rows])


def test_rows_that_are_left_out_are_told_of(tmp_path: Path) -> None:
    np.save("x.npy", ROWS)
    graph = PREDICTION.replace(dims(-1, 2), dims(2, 2))
    outcome = run(write(tmp_path, "g.pbtxt", graph), "--fetch", "loss", *BATCH, "-o", "o.npy")
    assert outcome.err == "note: the graph takes 2 rows at a time; 1 of 5 are left out\n"
    assert np.load("o.npy").shape == (2,)


def test_predictions_begin_with_the_first_row_wherever_training_stopped(training: Path) -> None:
    feed = ("--feed", "x=@data.npz[x]", "--batch", "3", "--state", "s.h5")
    succeeded(run(training, "--init", "init", "--target", "train", *feed, "--steps", "2"))
    g = tfg.GraphBuilder(tfg.load(training))
    g.Neg(g.tensor("x"), name="y")
    tfg.save(g.graph(), training)
    succeeded(run(training, "--fetch", "y", *feed, "-o", "o.npy"))
    np.testing.assert_array_equal(np.load("o.npy"), -np.load("data.npz")["x"])


# Pipes and devices.


@pytest.mark.parametrize("output", ["-", "/dev/stdout"])
def test_standard_output_takes_one_array_or_several(prediction: Path, output: str) -> None:
    one = run(prediction, "--fetch", "pred", *BATCH, "-o", output)
    np.testing.assert_array_equal(np.load(BytesIO(one.raw)), PREDICTED)
    several = run(prediction, "--fetch", "pred", "--fetch", "loss", *BATCH, "-o", output)
    assert sorted(np.load(BytesIO(several.raw))) == ["loss", "pred"]
    outcome = run(prediction, "--fetch", "pred", *BATCH, "-o", output, "--json")
    assert outcome.status == 2


@pytest.mark.parametrize("name", ["pipe", "pipe.json"])
def test_a_named_pipe_stays_one(prediction: Path, name: str) -> None:
    os.mkfifo(name)
    received: list[bytes] = []
    reader = Thread(target=lambda: received.append(Path(name).read_bytes()))
    reader.start()
    succeeded(run(prediction, "--fetch", "pred", *BATCH, "-o", name))
    reader.join(10)
    assert Path(name).is_fifo()
    found = (
        strict_json(received[0].decode())["pred"] if "json" in name else arrays.npy_bytes(received[0], "p")
    )
    np.testing.assert_array_equal(found, PREDICTED)


def test_a_full_device(prediction: Path) -> None:
    outcome = run(prediction, "--fetch", "pred", *BATCH, "-o", "/dev/full")
    assert is_diagnostic(outcome, "RESOURCE_EXHAUSTED", "/dev/full", "No space left")


@SUFFIXES
@pytest.mark.parametrize("steps", ["1", "3"])
def test_a_full_disk(tmp_path: Path, suffix: str, steps: str) -> None:
    write(tmp_path, "g.pbtxt", placeholder("x") + node("y", "Neg", "x", T=FLOAT))
    line = ["g.pbtxt", "--feed", "x=zeros:300,300", "--fetch", "y", "--steps", steps, "-o", f"o{suffix}"]
    script = f"ulimit -f 100; exec {sys.executable} -m tfg run {' '.join(line)}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr.startswith("error[RESOURCE_EXHAUSTED]: "), done.stderr
    assert done.returncode == 1
    assert [p.name for p in Path().iterdir()] == ["g.pbtxt"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("validate - <&-", "standard input is closed"),
        ("run g.pbtxt --fetch pred --feed x=@- <&-", "standard input is closed"),
        ("run g.pbtxt --fetch pred --feed x=@x.npy -o - >&-", "standard output is closed"),
        ("grad g.pbtxt --loss loss --wrt x -o - >&-", "standard output is closed"),
    ],
)
def test_closed_streams(prediction: Path, command: str, message: str) -> None:
    script = f"{sys.executable} -m tfg {command}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr.startswith("error[FAILED_PRECONDITION]: ") or message in done.stderr
    assert message in done.stderr
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_a_state_under_the_name_of_another_format(prediction: Path) -> None:
    outcome = run(prediction, "--fetch", "pred", "--feed", "x=@x.npy", "--state", "s.npz")
    assert outcome.status == 2
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", "'s.npz'", ".h5 or .hdf5")


# Runs that end early keep their state.

TRAIN = ("--init", "init", "--target", "train", "--feed", "x=@data.npz[x]", "--state", "s.h5")


def _start(training: Path, *options: str, **streams: Any) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-m", "tfg", "run", str(training), *TRAIN, *options]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **streams)


def _steps_in_state(training: Path) -> int:
    outcome = run(training, "--fetch", "count", "--state", "s.h5", "--json")
    return outcome.json["values"]["count"]["value"]


def test_a_closed_pipe_ends_the_run_with_its_state(training: Path) -> None:
    with _start(training, "--steps", "100000", "--fetch", "mean", "--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (130, b"")
    assert 1 <= _steps_in_state(training) < 100000


def test_a_hangup_ends_the_run_with_its_state(training: Path) -> None:
    with _start(training, "--steps", "10000000", "--fetch", "mean", "--json") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        process.stdout.read()
    assert process.returncode == 128 + signal.SIGHUP
    assert _steps_in_state(training) >= 1


def test_nohup_is_respected(training: Path) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with _start(training, "--steps", "300", "--fetch", "mean", "--json", preexec_fn=ignore) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        time.sleep(0.05)
        process.stdout.read()
    assert process.returncode == 0
    assert _steps_in_state(training) == 300
