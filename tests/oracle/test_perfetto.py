"""Traces, read by Perfetto's trace processor."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

processors: Any = pytest.importorskip("perfetto.trace_processor")

import tfg  # noqa: E402

from ..cli.command import run_tfg  # noqa: E402


def test_perfetto_answers_a_query(tmp_path: Path) -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [64], name="x")
    g.Sum(g.Neg(x, name="negative"), [0], name="sum")
    tfg.save(g.graph(), tmp_path / "g.pbtxt")
    trace = tmp_path / "t.json"
    outcome = run_tfg(
        "run", tmp_path / "g.pbtxt", "--feed", "x=random", "--steps", "3", "--fetch", "sum", "--trace", trace
    )
    assert outcome.status == 0, outcome.err
    try:
        processor = processors.TraceProcessor(trace=str(trace))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"Perfetto cannot fetch its trace processor: {error}")
    with processor:
        rows = processor.query("select count(*) as calls from slice where name = 'negative'")
        assert [row.calls for row in rows] == [3]
        tracks = {row.name for row in processor.query("select name from thread where name is not null")}
        assert {"steps", "nodes"} <= tracks
        counters = processor.query("select distinct name from counter_track")
        assert "memory held" in {row.name for row in counters}
