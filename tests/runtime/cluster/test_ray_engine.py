"""Tasks as processes that Ray starts: the numbers of one process, and what happens when a process dies or hangs."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt.errors import Status, TfgError
from tfg.graphfmt.graph import Graph
from tfg.runtime.cluster.spec import parse_cluster
from tfg.runtime.execution.session import Session

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")

X = np.float32([0.5, 0.25, 0.125])
_PS, _WORKERS = "/job:ps/task:0/device:CPU:0", [f"/job:worker/task:{n}/device:CPU:0" for n in range(2)]


def training() -> Graph:
    """A variable on the server, and a half of its gradient on each worker."""
    g = tfg.GraphBuilder()
    with g.device(_PS):
        w = g.VariableV2(shape=[3], dtype="float", name="w")
        g.group(g.Assign(w, np.float32([1, 2, 3])), name="init")
        read = g.Identity(w, name="read")
        x = g.placeholder("float", [3], name="x")
    steps: list[Any] = []
    for worker in _WORKERS:
        with g.device(worker):
            steps.append(g.Mul(read, g.Mul(x, 0.5)))
    with g.device(_PS):
        g.Sum(g.AddN(steps, name="step"), [0], name="loss")
        g.group(g.AssignSub(w, g.AddN(steps)), name="train")
    return g.graph()


def losses(session: Session, steps: int) -> list[float]:
    return [float(session.run(["loss"], {"x": X}, ["train"])[0]) for _ in range(steps)]


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session(training(), devices=parse_cluster("ps:1,worker:2"), callers=4) as session:
        yield session
    with warnings.catch_warnings():
        # Ray does not wait for its processes.
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.fixture
def fresh(session: Session) -> Session:
    """The session, with the variable at its first value."""
    if session.lost_tasks:
        session.restart_tasks()
    session.run(targets=["init"])
    return session


def process(session: Session, task: str) -> int:
    """The id of the process of a task."""
    return session._devices.cluster.call_all("ping")[task].pid  # pyright: ignore


def test_it_gives_the_numbers_of_one_process(fresh: Session) -> None:
    alone = training().with_nodes(replace(node, device="") for node in training().nodes)
    with Session(alone) as expected:
        expected.run(targets=["init"])
        assert losses(fresh, 20) == losses(expected, 20)
        (state,) = fresh.snapshot().resources.values()
        (known,) = expected.snapshot().resources.values()
    assert np.array_equal(state["value"], known["value"])


def test_a_killed_task_is_noticed_at_once_and_training_goes_on_from_the_state(fresh: Session) -> None:
    expected = losses(fresh, 10)
    fresh.run(targets=["init"])
    found = losses(fresh, 4)
    saved = fresh.snapshot()
    os.kill(process(fresh, "/job:worker/replica:0/task:1"), signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(TfgError, match="/job:worker/replica:0/task:1 has ended") as caught:
        losses(fresh, 1000)
    assert caught.value.status == Status.UNAVAILABLE and time.monotonic() - began < 5
    fresh.restart_tasks()
    fresh.take(saved)
    assert found + losses(fresh, 6) == expected


def test_a_stopped_task_is_noticed_by_its_silence(fresh: Session) -> None:
    stopped = process(fresh, "/job:worker/replica:0/task:0")
    os.kill(stopped, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(TfgError, match="/job:worker/replica:0/task:0 has not answered for") as caught:
        losses(fresh, 1)
    assert caught.value.status == Status.UNAVAILABLE and time.monotonic() - began < 15


def test_the_command_writes_nothing_but_its_results(tmp_path: Path) -> None:
    tfg.save(training(), tmp_path / "g.pbtxt")
    command = [sys.executable, "-m", "tfg", "run", "g.pbtxt", "--cluster", "ps:1,worker:2", "--init", "init"]
    done = subprocess.run(
        [*command, "--target", "train", "--fetch", "loss", "--feed", "x=[1,0,0]", "--steps", "2", "--json"],
        capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.count('"loss"') for line in done.stdout.splitlines()] == [1, 1]
