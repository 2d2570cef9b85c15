"""RecordInput: every record once an epoch, shuffled, without end; its position is part of the state."""

from __future__ import annotations

import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import tfg
from tfg.graphfmt.records.record_file import framed


def source(folder: Path, batch: int, **attrs: Any) -> tfg.Session:
    g = tfg.GraphBuilder()
    g.RecordInput(file_pattern=str(folder / "part-*"), batch_size=batch, name="records", **attrs)
    return tfg.Session(g.graph())


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    for part in range(3):
        records = [f"{part}.{number}".encode() for number in range(4)]
        (tmp_path / f"part-{part}").write_bytes(b"".join(map(framed, records)))
    (tmp_path / "part-empty").write_bytes(b"")
    return tmp_path


def taken(session: tfg.Session, steps: int) -> list[bytes]:
    return [record for _ in range(steps) for record in session.run(["records"])[0].tolist()]


@pytest.mark.parametrize("buffer_size", [1, 5, 100])
def test_every_record_comes_once_an_epoch(parts: Path, buffer_size: int) -> None:
    records = taken(source(parts, 4, file_buffer_size=buffer_size), 9)
    for epoch in range(3):
        assert len(set(records[12 * epoch : 12 * epoch + 12])) == 12
    assert set(Counter(records).values()) == {3}
    assert records[:12] != records[12:24]


def test_the_order_depends_on_the_seed(parts: Path) -> None:
    first, second, other = (taken(source(parts, 12, file_random_seed=seed), 1) for seed in (1, 1, 2))
    assert first == second != other


def test_a_restored_session_goes_on(parts: Path, tmp_path: Path) -> None:
    whole = taken(source(parts, 5, file_buffer_size=3), 7)
    session = source(parts, 5, file_buffer_size=3)
    begun = taken(session, 2)
    session.save(tmp_path / "s.h5")
    other = source(parts, 5, file_buffer_size=3)
    other.restore(tmp_path / "s.h5")
    assert begun + taken(other, 5) == whole


def test_compressed_files(tmp_path: Path) -> None:
    (tmp_path / "part-0").write_bytes(zlib.compress(framed(b"a") + framed(b"b")))
    assert sorted(taken(source(tmp_path, 2, compression_type="ZLIB"), 1)) == [b"a", b"b"]
    with pytest.raises(tfg.TfgError, match="INVALID_ARGUMENT"):
        taken(source(tmp_path, 2, compression_type="LZ"), 1)


def test_no_files_no_records_and_damaged_ones(tmp_path: Path) -> None:
    with pytest.raises(tfg.TfgError, match="NOT_FOUND: Found no files"):
        taken(source(tmp_path, 1), 1)
    (tmp_path / "part-0").write_bytes(b"")
    with pytest.raises(tfg.TfgError, match="NOT_FOUND: Found no records"):
        taken(source(tmp_path, 1), 1)
    (tmp_path / "part-1").write_bytes(framed(b"good")[:-1])
    with pytest.raises(tfg.TfgError, match="DATA_LOSS"):
        taken(source(tmp_path, 1), 1)
