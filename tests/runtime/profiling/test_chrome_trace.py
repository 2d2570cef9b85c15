from __future__ import annotations

from typing import Any

import numpy as np
import tfg
from tfg.runtime.execution.trace import Event, StepTrace
from tfg.runtime.profiling.chrome_trace import chrome_trace


def events_of(trace: StepTrace, kind: str) -> list[dict[str, Any]]:
    return [event for event in chrome_trace(trace)["traceEvents"] if event["ph"] == kind]


def queue_steps() -> StepTrace:
    g = tfg.GraphBuilder()
    queue = g.FIFOQueueV2(component_types=["float"], shapes=[[3]], capacity=9, name="queue")
    x = g.placeholder("float", [3], name="x")
    g.QueueEnqueueV2(queue, [g.Neg(x, name="negative")], name="put")
    trace = StepTrace()
    with tfg.Session(g.graph()) as session:
        for _ in range(2):
            session.run(targets=["put"], feeds={"x": np.ones(3, np.float32)}, observer=trace.observe)
    return trace


def test_every_step_has_a_slice_that_holds_its_nodes() -> None:
    slices = events_of(queue_steps(), "X")
    steps = [one for one in slices if one["cat"] == "step"]
    assert [one["name"] for one in steps] == ["step 1", "step 2"]
    for node in slices:
        if node["cat"] != "step":
            step = steps[node["args"]["step"] - 1]
            assert step["ts"] <= node["ts"]
            assert node["ts"] + node["dur"] <= step["ts"] + step["dur"] + 1e-6


def test_nodes_tell_shapes_and_bytes() -> None:
    (negative, _) = (one for one in events_of(queue_steps(), "X") if one["name"] == "negative")
    assert negative["args"] == {
        "op": "Neg", "step": 1, "bytes": 24, "inputs": ["float32[3]"], "outputs": ["float32[3]"],
    }  # fmt: skip


def test_queues_have_counters() -> None:
    counters = [one for one in events_of(queue_steps(), "C") if one["name"] == "queue queue"]
    assert [one["args"]["elements"] for one in counters] == [1, 2]


def test_steps_at_the_same_time_have_tracks_of_their_own() -> None:
    trace = StepTrace(
        [Event(1, "a", "Neg", 0, 50), Event(2, "a", "Neg", 20, 60), Event(3, "a", "Neg", 55, 70)]
    )
    names = {e["tid"]: e["args"]["name"] for e in events_of(trace, "M") if e["name"] == "thread_name"}
    tracks = [names[one["tid"]] for one in events_of(trace, "X")]
    assert tracks == ["steps", "steps 2", "steps", "nodes", "nodes 2", "nodes"]


def test_an_empty_trace_has_no_events() -> None:
    assert chrome_trace(StepTrace()) == {"traceEvents": []}
