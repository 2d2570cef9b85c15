"""``python -m benchmarks.prediction``: the error of the simulator on the samples' training steps on two devices.

Each sample is placed on ``cpu:2`` and runs there, traced and untraced steps alternately. The simulator gets the
measured times of the nodes; its makespan is compared with the time of the same steps from the start of the first
node to the end of the last. The target is an error within 20 %. The last column compares the same makespan with
untraced steps as the caller measures them, and so includes the overhead of tracing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import tfg
from tfg.graphfmt.graph import Graph
from tfg.runtime.execution.session import Session
from tfg.runtime.execution.trace import StepTrace
from tfg.runtime.multi_device.multi_device_plan import MultiDevicePlan
from tfg.runtime.passes.optimizers.minimize import minimize
from tfg.runtime.passes.optimizers.replicas import replicate
from tfg.runtime.passes.placement.constraints.pins import parse_pin, pin
from tfg.runtime.passes.placement.costs.prediction import predict
from tfg.runtime.passes.placement.machine.machine import parse_devices
from tfg.runtime.passes.placement.place import PlacementOptions, place

from .__main__ import restart_without_harmful_settings

SAMPLES = Path(__file__).parents[1] / "samples"


class Sample(NamedTuple):
    """A training graph, its batch of feeds, and the number of steps to time."""

    name: str
    graph: Graph
    feeds: dict[str, Any]
    steps: int

    @property
    def batch(self) -> int:
        return len(self.feeds["x"])


def samples() -> Iterator[Sample]:
    digits = dict(np.load(SAMPLES / "digits/digits.npz"))
    rows = {"x": digits["x_train"][:64], "y": digits["y_train"][:64]}
    mlp, conv = (tfg.load(SAMPLES / f"digits/{name}.pbtxt") for name in ("mlp", "conv"))
    yield Sample("digits, mlp", minimize(mlp, "loss", "adam"), rows, 200)
    yield Sample("digits, conv", minimize(conv, "loss", "adam"), rows, 200)
    pins = [parse_pin("left/*=/device:CPU:0"), parse_pin("right/*=/device:CPU:1")]
    towers = pin(tfg.load(SAMPLES / "parallel/towers.pbtxt"), pins)
    yield Sample("parallel, towers", minimize(towers, "loss", "adam"), rows, 200)
    both = replicate(mlp, "loss", parse_devices("cpu:2").names)
    assert both.loss is not None
    yield Sample("parallel, in step", minimize(both.graph, both.loss, "adam"), rows, 200)
    text = dict(np.load(SAMPLES / "rnn/text.npz"))
    some = {"x": text["x"][:32], "y": text["y"][:32]}
    lm = minimize(tfg.load(SAMPLES / "rnn/lm.pbtxt"), "loss", "adam:learning_rate=1e-2")
    yield Sample("rnn, lm", lm, some, 20)


def row(sample: Sample) -> tuple[str, ...]:
    """Returns a line of the table: times in milliseconds, and the errors of the simulation."""
    machine = parse_devices("cpu:2")
    graph = place(sample.graph, machine, options=PlacementOptions(batch=sample.batch, step=["train"])).graph
    trace, plain = StepTrace(), list[float]()
    with Session(graph, devices=machine) as session:
        session.run(targets=["init"])
        for _ in range(sample.steps):
            begun = time.perf_counter()
            session.run((), sample.feeds, ["train"])
            plain.append(time.perf_counter() - begun)
            session.run((), sample.feeds, ["train"], observer=trace.observe)
        plan = session.plan((), tuple(sample.feeds), ("train",))
    if not isinstance(plan, MultiDevicePlan):
        return (sample.name, "on one device")
    found = predict(trace, plan.graph, machine, batch=sample.batch)
    untraced = median(plain)
    seconds = (found.simulated, found.measured, untraced)
    beside = f"{found.simulated / untraced - 1:+.0%}"
    return (sample.name, *(f"{1e3 * s:.2f}" for s in seconds), f"{found.error:+.0%}", beside)


def main() -> None:
    restart_without_harmful_settings("benchmarks.prediction")
    names = sys.argv[1:]
    print("| sample | simulated, ms | measured | untraced | off by | off untraced |")
    print("|---|---|---|---|---|---|")
    for sample in samples():
        if not names or any(name in sample.name for name in names):
            print("|", " | ".join(row(sample)), "|", flush=True)


if __name__ == "__main__":
    main()
