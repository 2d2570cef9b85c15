"""The slowdown of steps while a checkpoint is written in the background: ``python -m benchmarks.background``.

A network of 2 million parameters trains while a checkpoint of 420 MB, most of it a variable that no step
changes, is written by a background thread.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import numpy as np
from tfg.graphfmt.checkpoints.hdf5 import state_file
from tfg.graphfmt.checkpoints.hdf5.chunks import yielding_between_strides
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.runtime.checkpointing.checkpoints import WriterPace
from tfg.runtime.execution.session import Session
from tfg.runtime.passes.optimizers.minimize import minimize

from .__main__ import restart_without_harmful_settings

_ROUNDS = 5
_USUAL = 150


def training() -> Session:
    g = GraphBuilder()
    x, y = g.placeholder("float", [None, 784], name="x"), g.placeholder("float", [None, 10], name="y")
    inits: list[object] = []

    def variable(name: str, shape: list[int]) -> object:
        made = g.VariableV2(shape=shape, dtype="float", name=name)
        inits.append(g.Assign(made, g.TruncatedNormal(shape, dtype="float", seed=1) * 0.05))
        return made

    hidden = g.Relu(g.MatMul(x, variable("w0", [784, 1024])))
    hidden = g.Relu(g.MatMul(hidden, variable("w1", [1024, 1024])))
    out = g.MatMul(hidden, variable("w2", [1024, 10]))
    variable("ballast", [100, 1 << 20])
    g.Mean(g.Square(out - y), g.constant([0, 1]), name="loss")
    g.group(*inits, name="init")
    session = Session(minimize(g.graph(), "loss", "momentum", learning_rate=0.01))
    session.run(targets=["init"])
    return session


def main() -> None:
    restart_without_harmful_settings("benchmarks.background")
    session, rng = training(), np.random.default_rng(0)
    feeds = {"x": rng.normal(size=(64, 784)).astype("f"), "y": rng.normal(size=(64, 10)).astype("f")}

    def steps(go_on: Callable[[int], bool]) -> list[float]:
        found: list[float] = []
        while go_on(len(found)):
            began = time.perf_counter()
            session.run(targets=["train"], feeds=feeds)
            found.append(time.perf_counter() - began)
        return found

    with tempfile.TemporaryDirectory() as folder:
        steps(lambda done: done < _USUAL)
        for _ in range(_ROUNDS):
            usual = float(np.median(steps(lambda done: done < _USUAL)))
            state, pace = session.snapshot(), WriterPace()

            def write() -> None:
                with yielding_between_strides(pace.rest):  # noqa: B023
                    state_file.write(Path(folder) / "c.h5", state)  # noqa: B023

            writer = Thread(target=write)
            writer.start()
            # The first step copies the variables that it changes.
            first = steps(lambda done: done < 1)[0]
            during = steps(lambda _: writer.is_alive())  # noqa: B023
            print(
                f"a step {usual * 1e3:.1f} ms, the first after the snapshot {first * 1e3:.1f} ms, "
                f"during the write {np.mean(during) / usual:.2f} times the usual ({len(during)} steps)"
            )


if __name__ == "__main__":
    main()
