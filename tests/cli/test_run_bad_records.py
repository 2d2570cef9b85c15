"""``tfg run --skip-bad-records``: damaged records end a run, unless they are left out and counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tfg
from tfg.graphfmt.records.record_file import framed

from .command import is_diagnostic, run_tfg

RECORDS = [b"%d" % number for number in range(10)]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph that reads files "good", "one" (of whose records one is damaged) and "cut", which ends early."""
    monkeypatch.chdir(tmp_path)
    frames = [framed(record) for record in RECORDS]
    Path("good").write_bytes(b"".join(frames))
    damaged = bytearray(b"".join(frames))
    damaged[3 * len(frames[0]) + 12] ^= 1
    Path("one").write_bytes(damaged)
    Path("cut").write_bytes(b"".join(frames)[:-1])
    g = tfg.GraphBuilder()
    queue = g.FIFOQueueV2(component_types=["string"], shapes=[[]], name="files")
    names = np.array([b"good", b"one", b"cut"], object)
    with g.control_dependencies([g.QueueEnqueueManyV2(queue, [g.constant(names)])]):
        g.QueueCloseV2(queue, name="fill")
    g.ReaderReadV2(g.TFRecordReaderV2(), queue, name="read")
    tfg.save(g.graph(), "g.pbtxt")


LINE = ("run", "g.pbtxt", "--init", "fill", "--fetch", "read:1", "--until-exhausted", "-o", "out.npy")


def test_a_damaged_record_ends_the_run() -> None:
    outcome = run_tfg(*LINE)
    assert is_diagnostic(outcome, "DATA_LOSS")
    assert "one: the record at byte 51 is damaged" in outcome.err


def test_damaged_records_are_left_out_and_counted() -> None:
    outcome = run_tfg(*LINE, "--skip-bad-records")
    assert outcome.status == 0, outcome.err
    assert "skipped 1 damaged record of one, the first at byte 51" in outcome.err
    assert "skipped 1 damaged record of cut, the first at byte 153" in outcome.err
    read = np.load("out.npy", allow_pickle=True).tolist()
    assert read == RECORDS + RECORDS[:3] + RECORDS[4:] + RECORDS[:9]


def test_the_last_document_has_the_counts() -> None:
    outcome = run_tfg(*LINE, "--skip-bad-records", "--json")
    assert '{"path": "one", "records": 1, "first": 51}' in outcome.out.splitlines()[-1]


def test_on_a_cluster_it_is_refused() -> None:
    outcome = run_tfg(*LINE, "--skip-bad-records", "--cluster", "worker:2")
    assert outcome.status == 2
    assert is_diagnostic(outcome, "INVALID_ARGUMENT")
