"""TFRecord files: framing, checksums, compression, damage."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tfg.graphfmt.errors import TfgError
from tfg.graphfmt.records.record_file import RecordReader, framed, read_records

RECORDS = [b"", b"one", b"x" * 100_000]
WHOLE = b"".join(map(framed, RECORDS))


def test_the_framing_is_tensorflows() -> None:
    assert framed(b"abc").hex() == "0300000000000000b099490e6162636e57f121"


@pytest.mark.parametrize(
    ("compression", "data"), [("", WHOLE), ("ZLIB", zlib.compress(WHOLE)), ("GZIP", gzip.compress(WHOLE))]
)
def test_records_are_read_back(tmp_path: Path, compression: str, data: bytes) -> None:
    path = tmp_path / "r"
    path.write_bytes(data)
    assert list(read_records(path, compression)) == RECORDS
    reader = RecordReader(path, compression, offset=len(framed(b"")))
    assert (reader.read(), reader.read(), reader.read()) == (b"one", RECORDS[2], None)
    reader.close()


def test_members_of_a_gzip_file_follow_each_other(tmp_path: Path) -> None:
    (tmp_path / "r").write_bytes(gzip.compress(framed(b"one")) + gzip.compress(framed(b"two")))
    assert list(read_records(tmp_path / "r", "GZIP")) == [b"one", b"two"]


@given(st.integers(0, len(framed(b"one") + framed(b"two")) - 1), st.integers(1, 255))
def test_every_changed_byte_is_noticed(place: int, change: int) -> None:
    import tempfile

    data = bytearray(framed(b"one") + framed(b"two"))
    data[place] ^= change
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        with pytest.raises(TfgError, match=r"DATA_LOSS: .* the record at byte (0|19) is damaged"):
            list(read_records(file.name))


def test_a_record_with_a_wrong_checksum_can_be_left_out(tmp_path: Path) -> None:
    data = bytearray(framed(b"one") + framed(b"two"))
    data[12] ^= 1
    (tmp_path / "r").write_bytes(data)
    assert list(read_records(tmp_path / "r", skip_bad=True)) == [b"two"]


@pytest.mark.parametrize("cut", [1, 5, 12, 14, 18])
def test_a_truncated_file_is_data_loss(tmp_path: Path, cut: int) -> None:
    (tmp_path / "r").write_bytes(framed(b"one")[:cut])
    with pytest.raises(TfgError, match="DATA_LOSS"):
        list(read_records(tmp_path / "r"))


def test_a_claimed_length_takes_no_memory(tmp_path: Path) -> None:
    import struct

    import google_crc32c
    from tfg.graphfmt.checkpoints.checksums import masked

    length = struct.pack("<Q", 1 << 60)
    (tmp_path / "r").write_bytes(length + struct.pack("<I", masked(google_crc32c.value(length))) + b"x")
    with pytest.raises(TfgError, match="ends within its data"):
        list(read_records(tmp_path / "r"))


def test_other_files_and_compressions(tmp_path: Path) -> None:
    (tmp_path / "r").write_bytes(WHOLE)
    with pytest.raises(TfgError, match="DATA_LOSS"):
        list(read_records(tmp_path / "r", "GZIP"))
    with pytest.raises(TfgError, match="Unsupported compression_type"):
        list(read_records(tmp_path / "r", "LZ4"))
    with pytest.raises(TfgError, match="NOT_FOUND"):
        list(read_records(tmp_path / "none"))
