"""``tfg run --log-every``, ``--metrics`` and ``--logdir``."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt.proto import event_pb2, step_stats_pb2
from tfg.graphfmt.proto.binary import graph_from_bytes
from tfg.graphfmt.records.record_file import read_records

from .command import run_tfg

STEP = ("run", "g.pbtxt", "--feed", "x=@x.npy", "--batch", "1", "--fetch", "loss")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph whose loss is the sum of a row, with a variable that counts, and a summary of the loss."""
    monkeypatch.chdir(tmp_path)
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 2], name="x")
    v = g.VariableV2(shape=[], dtype="float", name="v")
    g.Assign(v, np.float32(0), name="init")
    g.AssignAdd(v, np.float32(1), name="count")
    loss = g.Sum(x, [0, 1], name="loss")
    g.ScalarSummary("from_graph", loss, name="summary")
    g.ScalarSummary("unfed", g.placeholder("float", [], name="other"), name="unfed")
    tfg.save(g.graph(), "g.pbtxt")
    np.save("x.npy", np.arange(8, dtype=np.float32).reshape(4, 2))


def events(folder: str) -> list[Any]:
    found: list[Any] = []
    for path in sorted(Path(folder).iterdir()):
        for record in read_records(path):
            event = event_pb2.Event()
            event.ParseFromString(record)
            found.append(event)
    return found


def test_lines_on_standard_error() -> None:
    outcome = run_tfg(*STEP, "--log-every", "2")
    assert [line.partition("  ")[0] for line in outcome.err.splitlines()] == ["step 2/4", "step 4/4"]
    assert "loss 5" in outcome.err
    assert outcome.out == "loss = 13.0\n"


def test_a_row_per_step_as_json_and_as_a_table() -> None:
    assert run_tfg(*STEP, "--metrics", "m.jsonl").status == 0
    rows = [json.loads(line) for line in Path("m.jsonl").read_text().splitlines()]
    assert [(row["step"], row["values"]["loss"]) for row in rows] == [(1, 1.0), (2, 5.0), (3, 9.0), (4, 13.0)]
    assert run_tfg(*STEP, "--metrics", "m.csv", "--steps", "2").status == 0
    assert run_tfg(*STEP, "--metrics", "m.csv", "--steps", "1").status == 0
    table = list(csv.reader(Path("m.csv").read_text().splitlines()))
    assert table[0] == ["step", "epoch", "seconds", "loss"]
    assert [row[3] for row in table[1:]] == ["1.0", "5.0", "1.0"]


def test_event_files_have_scalars_summaries_histograms_and_the_graph() -> None:
    assert run_tfg(*STEP, "--fetch", "x", "--logdir", "logs").status == 0
    first, graph, *steps = events("logs")
    assert first.file_version == "brain.Event:2"
    assert graph_from_bytes(graph.graph_def, "").nodes == tfg.load("g.pbtxt").nodes
    scalars = {
        (event.step, value.tag): value.simple_value
        for event in steps
        for value in event.summary.value
        if value.HasField("simple_value")
    }
    assert scalars[2, "loss"] == scalars[2, "from_graph"] == 5.0
    histograms = [v.histo for event in steps for v in event.summary.value if v.HasField("histo")]
    assert [(h.num, h.max, h.sum_squares) for h in histograms][-1] == (2, 7, 85)


def test_a_resumed_run_goes_on_in_the_same_curve() -> None:
    line = (
        *STEP,
        "--target",
        "count",
        "--init",
        "init",
        "--state",
        "s.h5",
        "--steps",
        "2",
        "--logdir",
        "logs",
    )
    assert run_tfg(*line).status == run_tfg(*line).status == 0
    steps = [event.step for event in events("logs") for value in event.summary.value if value.tag == "loss"]
    assert sorted(steps) == [1, 2, 3, 4]


def test_checkpoints_are_in_the_events() -> None:
    line = (
        *STEP,
        "--target",
        "count",
        "--init",
        "init",
        "--checkpoint",
        "c.h5",
        "--every",
        "2",
        "--logdir",
        "logs",
    )
    assert run_tfg(*line).status == 0
    logs = [(event.step, event.session_log) for event in events("logs") if event.HasField("session_log")]
    assert [(step, log.status, log.checkpoint_path) for step, log in logs] == [(2, 3, "c.h5"), (4, 3, "c.h5")]


def test_a_traced_step_has_its_times_memory_and_shapes() -> None:
    assert run_tfg(*STEP, "--logdir", "logs", "--trace", "t.json").status == 0
    (event,) = (event for event in events("logs") if event.HasField("tagged_run_metadata"))
    assert (event.step, event.tagged_run_metadata.tag) == (4, "step 4")
    metadata = step_stats_pb2.RunMetadata()
    metadata.ParseFromString(event.tagged_run_metadata.run_metadata)
    (device,) = metadata.step_stats.dev_stats
    assert device.device.endswith("CPU:0")
    stats = {node.node_name: node for node in device.node_stats}
    assert stats["loss"].all_end_rel_nanos > 0
    assert stats["loss"].output[0].tensor_description.dtype == 1
    assert stats["loss"].memory[0].total_bytes == 4


def test_summaries_of_images_sounds_and_tensors_are_in_the_events() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [1, 4, 4, 1], name="x")
    g.ImageSummary("image", x, name="images")
    g.AudioSummaryV2("sound", g.Reshape(x, [1, 16]), np.float32(8000), name="sounds")
    curves = b"\n\x0b\n\tpr_curves"
    g.TensorSummaryV2("curve", x, curves, name="tensors")
    tfg.save(g.graph(), "media.pbtxt")
    assert run_tfg("run", "media.pbtxt", "--feed", "x=random", "--fetch", "x", "--logdir", "logs").status == 0
    values = {value.tag: value for event in events("logs") for value in event.summary.value}
    assert values["image/image/0"].image.encoded_image_string.startswith(b"\x89PNG")
    assert values["sound/audio/0"].audio.encoded_audio_string.startswith(b"RIFF")
    assert values["curve"].metadata.plugin_data.plugin_name == "pr_curves"
    assert values["curve"].tensor.dtype == 1


def test_bad_requests() -> None:
    assert run_tfg(*STEP, "--log-every", "often").status == 2
    assert run_tfg(*STEP, "--log-every", "auto").status == 2
    assert "must end in .jsonl or .csv" in run_tfg(*STEP, "--metrics", "m.txt").err
    Path("file").touch()
    assert run_tfg(*STEP, "--logdir", "file").status in (1, 2)
    outcome = run_tfg(*STEP, "--logdir", "file/logs")
    assert outcome.status == 1
    assert "cannot be written: Not a directory" in outcome.err
    assert run_tfg(*STEP, "--metrics", "none/m.csv").status == 1


def test_training_goes_on_when_a_log_cannot_be_written() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs a device that is full")
    Path("m.csv").symlink_to("/dev/full")
    outcome = run_tfg(*STEP, "--metrics", "m.csv")
    assert (outcome.status, outcome.out) == (0, "loss = 13.0\n")
    assert outcome.err.count("warning") == 1
