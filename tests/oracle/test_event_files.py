"""Event files, read by TensorBoard's own reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

accumulators: Any = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

import tfg  # noqa: E402

from ..cli.command import run_tfg  # noqa: E402


def test_tensorboard_reads_every_kind_of_event(tmp_path: Path) -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 2], name="x")
    g.Sum(x, [0, 1], name="loss")
    g.HistogramSummary("spread", x, name="spread")
    g.ImageSummary("image", g.Reshape(x, [1, 1, 2, 1]), name="image")
    tfg.save(g.graph(), tmp_path / "g.pbtxt")
    np.save(tmp_path / "x.npy", np.arange(6, dtype=np.float32).reshape(3, 2))
    logs = tmp_path / "logs"
    feed = ("--feed", f"x=@{tmp_path / 'x.npy'}", "--batch", "1")
    outcome = run_tfg(
        "run",
        tmp_path / "g.pbtxt",
        *feed,
        "--fetch",
        "loss",
        "--logdir",
        logs,
        "--trace",
        tmp_path / "t.json",
    )
    assert outcome.status == 0, outcome.err
    events = accumulators.EventAccumulator(str(logs), size_guidance={"histograms": 0, "images": 0})
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 1.0), (2, 5.0), (3, 9.0)]
    assert [event.histogram_value.max for event in events.Histograms("spread")] == [1.0, 3.0, 5.0]
    assert len(events.Images("image/image/0")) == 3
    assert [node.name for node in events.Graph().node][:2] == ["x", g.graph().nodes[1].name]
    assert events.Tags()["run_metadata"] == ["step 3"]
