"""``tfg run`` with queues: background nodes, exhaustion, waits that cannot end, saved queues."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tfg
from tfg.cli.running.wait_report import explaining_waits

from .command import is_diagnostic, run_tfg


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``count`` puts 1, 2, … into a small queue and fails at 9; ``fill`` puts six numbers into one that shuffles."""
    monkeypatch.chdir(tmp_path)
    g = tfg.GraphBuilder()
    queue = g.FIFOQueueV2(component_types=["int32"], shapes=[[]], capacity=2, name="queue")
    counter = g.VarHandleOp(shape=[], dtype="int32", name="counter")
    g.AssignVariableOp(counter, np.int32(0), name="init")
    with g.control_dependencies([g.AssignAddVariableOp(counter, np.int32(1))]):
        number = g.ReadVariableOp(counter, dtype="int32")
    g.QueueEnqueueV2(queue, [g.Gather(np.arange(9, dtype=np.int32), number)], name="count")
    g.QueueDequeueV2(queue, component_types=["int32"], name="next")
    mixed = g.RandomShuffleQueue(
        component_types=["int32"], shapes=[[]], capacity=9, seed=3, seed2=4, name="mixed"
    )
    g.QueueEnqueueMany(mixed, [np.arange(6, dtype=np.int32)], name="fill")
    g.QueueDequeue(mixed, component_types=["int32"], name="take")
    g.QueueClose(mixed, name="close")
    tfg.save(g.graph(), "g.pbtxt")


def values(*options: str) -> list[int]:
    outcome = run_tfg("run", "g.pbtxt", *options, "--json")
    assert outcome.status == 0, outcome.err
    return [value["value"] for line in outcome.json_lines for value in line["values"].values()]


def test_a_background_node_fills_the_queue_beside_the_steps() -> None:
    assert values("--init", "init", "--background", "count", "--fetch", "next", "--steps", "5") == [
        1,
        2,
        3,
        4,
        5,
    ]


def test_the_error_of_a_background_node_is_that_of_the_run() -> None:
    outcome = run_tfg(
        "run", "g.pbtxt", "--init", "init", "--background", "count:2", "--fetch", "next", "--steps", "9"
    )
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", "Gather")
    assert outcome.status == 1


def test_steps_go_on_until_the_queue_is_exhausted() -> None:
    run_tfg("run", "g.pbtxt", "--target", "fill", "--state", "s.h5")
    run_tfg("run", "g.pbtxt", "--target", "close", "--state", "s.h5")
    assert sorted(values("--fetch", "take", "--until-exhausted", "--state", "s.h5")) == list(range(6))


def test_a_wait_that_nobody_could_end_is_explained() -> None:
    outcome = run_tfg("run", "g.pbtxt", "--fetch", "next")
    words = (
        "would wait for ever",
        "'next' (QueueDequeueV2)",
        "FIFOQueue 'queue' (0 of 2 elements)",
        "could be ended by 'count' (nothing runs it beside the steps)",
        "--background",
    )
    assert is_diagnostic(outcome, "FAILED_PRECONDITION", *words)


def test_a_timeout_tells_who_could_end_the_wait() -> None:
    """The second fill finds no room, and the background node waits for room in another queue."""
    options = ("--init", "init", "--background", "count", "--timeout", "0.3", "--json")
    outcome = run_tfg("run", "g.pbtxt", *options, "--target", "fill", "--steps", "2")
    assert outcome.status == 1
    wait = outcome.json_lines[-1]["waits"][0]
    assert (wait["node"], wait["op"]) == ("fill", "QueueEnqueueMany")
    assert wait["resource"] == "RandomShuffleQueue 'mixed' (9 of 9 elements)"
    assert wait["counterparts"] == [{"node": "take", "state": "nothing runs it beside the steps"}]


def test_ctrl_backslash_prints_what_waits(capfd: pytest.CaptureFixture[str]) -> None:
    session = tfg.Session(tfg.load("g.pbtxt"))
    with ThreadPoolExecutor(1) as pool, explaining_waits(session):
        step = pool.submit(session.run, ["next"])
        while not session.waits():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGQUIT)
        session.close()
        with pytest.raises(tfg.TfgError, match="closed"):
            step.result()
    assert "'next' (QueueDequeueV2) has waited" in capfd.readouterr().err


def test_saved_queues_go_on_bit_for_bit() -> None:
    run_tfg("run", "g.pbtxt", "--target", "fill", "--state", "a.h5")
    Path("b.h5").write_bytes(Path("a.h5").read_bytes())
    whole = values("--fetch", "take", "--steps", "6", "--state", "a.h5")
    parts = [n for _ in range(3) for n in values("--fetch", "take", "--steps", "2", "--state", "b.h5")]
    assert whole == parts


def test_bad_requests() -> None:
    assert run_tfg("run", "g.pbtxt", "--background", "count:0", "--fetch", "next").status == 2
    assert is_diagnostic(
        run_tfg("run", "g.pbtxt", "--background", "cnt", "--fetch", "next"), "NOT_FOUND", "count"
    )


def test_reset_drops_one_container_and_nothing_else() -> None:
    g = tfg.GraphBuilder()
    for name, container in (("v", ""), ("w", "box")):
        variable = g.VariableV2(shape=[], dtype="float", container=container, name=name)
        g.Assign(variable, g.constant(np.float32(7)), name=f"set_{name}")
    tfg.save(g.graph(), "two.pbtxt")
    run_tfg("run", "two.pbtxt", "--target", "set_v", "--target", "set_w", "--state", "s.h5")
    assert run_tfg("run", "two.pbtxt", "--fetch", "w", "--state", "s.h5").status == 0
    outcome = run_tfg("run", "two.pbtxt", "--reset", "box", "--fetch", "v", "--state", "s.h5", "--json")
    assert outcome.json["values"]["v"]["value"] == 7
    outcome = run_tfg("run", "two.pbtxt", "--fetch", "w", "--state", "s.h5")
    assert is_diagnostic(outcome, "FAILED_PRECONDITION", "uninitialized")
