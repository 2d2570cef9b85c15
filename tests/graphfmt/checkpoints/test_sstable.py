"""Sorted tables: what is written comes back, and what is damaged is refused."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from random import Random

import google_crc32c
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tfg.graphfmt.checkpoints.checksums import combine, masked, unmasked
from tfg.graphfmt.checkpoints.data_file import DataFile
from tfg.graphfmt.checkpoints.table.snappy import decompress
from tfg.graphfmt.checkpoints.table.sstable import Table, table_bytes
from tfg.graphfmt.errors import Status, TfgError
from tfg.graphfmt.proto.varints import varint, varint_bytes

_checked = settings(
    derandomize=True, deadline=None, max_examples=60, database=None, suppress_health_check=list(HealthCheck)
)

# What another program made of b"checkpoint " * 30 + b"x" * 500.
SNAPPY = bytes.fromhex(
    "be0628636865636b706f696e7420fe0b00fe0b00fe0b00fe0b00fa0b000078fe0100fe0100fe0100fe0100fe0100fe0100fe0100ca0100"
)


def table_of(path: Path, data: bytes) -> Table:
    path.write_bytes(data)
    return Table(DataFile(str(path)))


def a_table(contents: bytes, kind: int = 0) -> bytes:
    """A table of one block, however odd its contents."""

    def block(data: bytes, kind: int = 0) -> bytes:
        body = data + bytes([kind])
        return body + masked(google_crc32c.value(body)).to_bytes(4, "little")

    def handle(offset: int, size: int) -> bytes:
        return varint_bytes(offset) + varint_bytes(size)

    first = block(contents, kind)
    value = handle(0, len(contents))
    index = bytes([0, 1, len(value)]) + b"\xff" + value + bytes(4) + b"\1\0\0\0"
    footer = (handle(0, 0) + handle(len(first), len(index))).ljust(40, b"\0")
    return first + block(index) + footer + (0xDB4775248B80FB57).to_bytes(8, "little")


@given(st.dictionaries(st.binary(max_size=40), st.binary(max_size=300), max_size=80), st.integers(0, 3))
@_checked
def test_what_is_written_comes_back(tmp_path: Path, items: dict[bytes, bytes], large: int) -> None:
    items |= {b"large%d" % i: bytes(200_000) for i in range(large)}
    table = table_of(tmp_path / "t", b"".join(table_bytes(sorted(items.items()))))
    assert list(table.items()) == sorted(items.items())
    for key, value in items.items():
        assert table.get(key) == value
    assert table.get(b"\xff" * 41) is None


@given(st.integers(0, 2**32).map(Random))
@_checked
def test_damage_is_refused_or_harmless(tmp_path: Path, random: Random) -> None:
    items = [(b"key%03d" % i, bytes(random.randrange(20))) for i in range(40)]
    data = bytearray(b"".join(table_bytes(items)))
    for _ in range(random.randrange(1, 4)):
        data[random.randrange(len(data))] = random.randrange(256)
    del data[random.choice((len(data), random.randrange(len(data)))) :]
    try:
        assert list(table_of(tmp_path / "t", bytes(data)).items()) == items
    except TfgError as error:
        assert error.status is Status.DATA_LOSS


def test_blocks_that_claim_what_they_do_not_have_are_refused(tmp_path: Path) -> None:
    for contents, message in (
        (b"\0\0\0", "too short"),
        (b"\xff\xff\xff\x7f", "more restarts than bytes"),
        (b"\5\1\0k" + bytes(8), "beyond its block"),
        (b"\0\1\x7fk" + bytes(8), "beyond its block"),
        (b"\xff" * 12 + bytes(8), "does not end"),
        (b"\0\1\0b\0\1\0a" + bytes(8), "out of order"),
    ):
        with pytest.raises(TfgError, match=message):
            list(table_of(tmp_path / "t", a_table(contents)).items())


def test_keys_that_repeat_each_other_do_not_fill_memory(tmp_path: Path) -> None:
    long = 100_000
    entries = b"\0" + varint_bytes(long) + b"\0" + b"k" * long
    for i in range(long // 5):
        entries += varint_bytes(long + i) + b"\1\0k"
    with pytest.raises(TfgError, match="too long"):
        for _ in table_of(tmp_path / "t", a_table(entries + bytes(8))).items():
            pass


def test_compressed_blocks_are_read(tmp_path: Path) -> None:
    plain = b"checkpoint " * 30 + b"x" * 500
    assert decompress(SNAPPY) == plain
    entries = b"\0\1" + varint_bytes(5) + b"k" + b"value" + bytes(4) + b"\1\0\0\0"
    packed = varint_bytes(len(entries)) + bytes([(len(entries) - 1) << 2]) + entries
    assert table_of(tmp_path / "t", a_table(packed, kind=1)).get(b"k") == b"value"
    with pytest.raises(TfgError, match="unknown compression type"):
        table_of(tmp_path / "t", a_table(packed, kind=7)).get(b"k")


@given(st.binary(max_size=60))
@_checked
def test_what_is_not_compressed_is_refused(data: bytes) -> None:
    for candidate in (data, SNAPPY[: len(data)] + data):
        with suppress(ValueError):
            assert len(decompress(candidate)) <= 22 * len(candidate)


@given(st.binary(max_size=99), st.binary(max_size=999), st.integers(0, 2**64 - 1))
@_checked
def test_checksums_and_numbers(first: bytes, second: bytes, number: int) -> None:
    crc, other = google_crc32c.value(first), google_crc32c.value(second)
    assert unmasked(masked(crc)) == crc
    assert combine(crc, other, len(second)) == google_crc32c.value(first + second)
    assert varint(varint_bytes(number), 0) == (number, len(varint_bytes(number)))
