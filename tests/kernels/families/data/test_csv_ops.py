"""Records of CSV files that lie across the pieces in which files are read."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tfg.kernels.families.data import csv_ops
from tfg.kernels.families.data.csv_ops import Dialect, RecordScanner

_FIELDS = st.lists(st.text('a"b,\r\n ', max_size=5), min_size=2, max_size=4)


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_ops, "_CHUNK", 3)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("csv") / "data.csv"


def _records(path: Path, offset: int) -> list[tuple[list[str], int]]:
    scanner = RecordScanner(str(path), "", Dialect(b",", quotes=True, has_header=False), offset)
    found: list[tuple[list[str], int]] = []
    while (record := scanner.read()) is not None:
        found.append(([field.decode() for field in record], scanner.offset))
    scanner.close()
    return found


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@given(records=st.lists(_FIELDS, max_size=5))
def test_records_of_pythons_writer(path: Path, records: list[list[str]], line_end: str) -> None:
    # Python leaves a line end without quotes if it is not that of its lines.
    quoting = csv.QUOTE_MINIMAL if line_end == "\r\n" else csv.QUOTE_ALL
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator=line_end, quoting=quoting).writerows(records)
    found = _records(path, 0)
    assert [record for record, _ in found] == records
    for number, (_, offset) in enumerate(found):
        assert _records(path, offset) == found[number + 1 :]
