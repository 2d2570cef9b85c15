"""The samples do what their files say of themselves."""

from __future__ import annotations

import importlib.util
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.runtime.execution.session import Session

from .cli.command import run_tfg

ROOT = Path(__file__).parent.parent
RNN = ROOT / "samples" / "rnn"
GRAPHS = sorted((ROOT / "samples").rglob("*.pbtxt"))
NAMES = [str(path.relative_to(ROOT)) for path in GRAPHS]


def build() -> Any:
    """The script of samples/rnn as a module."""
    spec = importlib.util.spec_from_file_location("build", RNN / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_are_samples() -> None:
    assert {"mlp.pbtxt", "conv.pbtxt", "lm.pbtxt", "generate.pbtxt"} <= {path.name for path in GRAPHS}


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_valid(name: str) -> None:
    outcome = run_tfg("validate", ROOT / name)
    assert (outcome.status, outcome.err) == (0, "")


@pytest.mark.parametrize("path", GRAPHS, ids=NAMES)
def test_the_line_in_its_first_comment_runs_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    line = next(s for s in path.read_text(encoding="utf-8").splitlines() if s.startswith("#   tfg "))
    outcome = run_tfg(*shlex.split(line)[2:])
    assert (outcome.status, outcome.err) == (0, "")
    assert " = " in outcome.out


def test_digits_are_learnt(tmp_path: Path) -> None:
    data = ROOT / "samples" / "digits" / "digits.npz"
    model, graph, state = ROOT / "samples" / "digits" / "mlp.pbtxt", tmp_path / "t.pbtxt", tmp_path / "s.h5"
    made = run_tfg("grad", model, "--loss", "loss", "--optimizer", "adam:learning_rate=1e-2", "-o", graph)
    assert made.status == 0, made.err
    feeds = ["--feed", f"x=@{data}[x_train]", "--feed", f"y=@{data}[y_train]", "--batch", "64", "--shuffle"]
    steps = ["--init", "init", "--target", "train", "--steps", "100"]
    assert run_tfg("run", graph, "--state", state, *steps, *feeds).status == 0
    held_out = ["--feed", f"x=@{data}[x_test]", "--feed", f"y=@{data}[y_test]"]
    said = run_tfg("run", model, "--state", state, *held_out, "--fetch", "accuracy")
    assert float(said.out.split("=")[1]) > 0.9


# The language model of samples/rnn.


def test_the_script_writes_the_files_that_stand_beside_it(tmp_path: Path) -> None:
    build().build(tmp_path)
    for name in ("lm.pbtxt", "generate.pbtxt"):
        assert (tmp_path / name).read_bytes() == (RNN / name).read_bytes()
    with np.load(tmp_path / "text.npz") as made, np.load(RNN / "text.npz") as shipped:
        assert made.files == shipped.files
        for key in made.files:
            np.testing.assert_array_equal(made[key], shipped[key])


def test_the_data_are_the_text_and_what_comes_next() -> None:
    script = build()
    text = (RNN / "genesis.txt").read_text(encoding="utf-8")
    with np.load(RNN / "text.npz") as data:
        x, y = (np.concatenate([data[key], data[f"{key}_test"]]).reshape(-1) for key in "xy")
    assert "".join(script.ALPHABET[place] for place in x) == text[: len(x)]
    np.testing.assert_array_equal(y[:-1], x[1:])


def test_the_language_model_learns_and_writes_with_the_same_state(tmp_path: Path) -> None:
    graph, state, data = tmp_path / "train.pbtxt", tmp_path / "s.h5", RNN / "text.npz"
    made = run_tfg("grad", RNN / "lm.pbtxt", "--loss", "loss", "--optimizer", "adam:lr=1e-2", "-o", graph)
    assert made.status == 0, made.err
    feeds = ["--feed", f"x=@{data}[x]", "--feed", f"y=@{data}[y]", "--batch", "8", "--fetch", "loss"]
    options = ["--init", "init", "--target", "train", *feeds, "--steps", "12", "-o", tmp_path / "losses.npy"]
    trained = run_tfg("run", graph, "--state", state, *options)
    assert trained.status == 0, trained.err
    losses = np.load(tmp_path / "losses.npy")
    assert losses[0] == pytest.approx(np.log(64), abs=0.05)
    assert losses[-1] < 3.5
    said = run_tfg("run", RNN / "generate.pbtxt", "--state", state, "--feed", "length=5", "--fetch", "text")
    assert said.status == 0, said.err
    assert said.out.startswith('text = "And God said, ')


def test_texts_are_as_long_as_asked_and_the_same_for_the_same_seed() -> None:
    with Session(tfg.load(RNN / "generate.pbtxt")) as session:
        session.run(targets=["init"])

        def text(**feeds: Any) -> bytes:
            (value,) = session.run(["text"], feeds=feeds)
            return value.item()

        for length in (0, 1, 37):
            assert len(text(start=b"Noah ", length=length)) == 5 + length
        first = text(seed=3, length=60)
        assert text(seed=3, length=60) == first
        assert text(seed=4, length=60) != first
        assert text(seed=3, length=30) == first[:-30]


def test_what_is_read_beside_a_text_or_after_it_changes_nothing() -> None:
    with Session(tfg.load(RNN / "lm.pbtxt")) as session, np.load(RNN / "text.npz") as data:
        session.run(targets=["init"])
        x, y = data["x"][:4, :9], data["y"][:4, :9]
        (together,) = session.run(["losses"], feeds={"x": x, "y": y})
        for row in range(4):
            (alone,) = session.run(["losses"], feeds={"x": x[row : row + 1, :5], "y": y[row : row + 1, :5]})
            np.testing.assert_allclose(together.reshape(9, 4)[:5, row], alone, rtol=1e-5)


def commands(readme: Path) -> str:
    """The lines of a README that are to be typed."""
    lines = [line[4:] for line in readme.read_text(encoding="utf-8").splitlines() if line.startswith("    ")]
    return "\n".join(lines)


def typed(script: str, folder: Path, timeout: float) -> subprocess.CompletedProcess[str]:
    """The outcome of a script in bash, in a folder."""
    return subprocess.run(
        ["bash", "-ec", f'tfg() {{ "{sys.executable}" -m tfg "$@"; }}\n{script}'],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def test_what_the_readme_of_parallel_says_can_be_typed(tmp_path: Path) -> None:
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    script = commands(ROOT / "samples" / "parallel" / "README.md").replace("--epochs 10", "--epochs 2")
    done = typed(script, tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    accuracies = [float(line.split()[2]) for line in done.stdout.splitlines() if line.startswith("accuracy")]
    assert len(accuracies) == 3
    assert all(accuracy > 0.5 for accuracy in accuracies)
    assert "different: 0" in done.stderr


def test_what_the_readme_of_input_says_can_be_typed(tmp_path: Path) -> None:
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    script = commands(ROOT / "samples" / "input" / "README.md").replace("python ", f"{sys.executable} ")
    done = typed(script, tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    (accuracy,) = (float(line.split()[2]) for line in done.stdout.splitlines() if line.startswith("accuracy"))
    assert accuracy > 0.95
    assert "could be ended by 'files/fill' (nothing runs it beside the steps)" in done.stderr


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_what_the_readme_of_the_cluster_says_can_be_typed(tmp_path: Path) -> None:
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    script = commands(ROOT / "samples" / "cluster" / "README.md").replace("--epochs 10", "--epochs 2")
    done = typed(script, tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    accuracies = [float(line.split()[2]) for line in done.stdout.splitlines() if line.startswith("accuracy")]
    assert len(accuracies) == 3 and min(accuracies) > 0.9
