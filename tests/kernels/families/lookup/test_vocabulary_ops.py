"""Weights of one vocabulary, taken over into another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfg

OLD = np.arange(12, dtype=np.float32).reshape(4, 3)


def remapped(folder: Path, **attrs: Any) -> tuple[list[int], int]:
    (folder / "new").write_text("knitting\neminem\nMISSING\nx\n")
    (folder / "old").write_text("eminem\nmartha\nknitting\n")
    g = tfg.GraphBuilder()
    names = [g.constant(np.array(str(folder / name), object)) for name in ("new", "old")]
    g.GenerateVocabRemapping(*names, name="r", **attrs)
    with tfg.Session(g.graph()) as session:
        numbers, present = session.run(["r:0", "r:1"])
    return numbers.tolist(), int(present)


@pytest.mark.parametrize(
    ("offset", "count", "old_size", "expected"),
    [
        (0, 4, -1, ([2, 0, -1, -1], 2)),
        (1, 2, -1, ([0, -1], 1)),
        (0, 4, 2, ([-1, 0, -1, -1], 1)),
        (0, 0, -1, ([], 0)),
        (4, 0, -1, ([], 0)),
    ],
)
def test_numbers_of_words(tmp_path: Path, offset: int, count: int, old_size: int, expected: Any) -> None:
    assert (
        remapped(tmp_path, new_vocab_offset=offset, num_new_vocab=count, old_vocab_size=old_size) == expected
    )


@pytest.mark.parametrize(("offset", "count", "old_size"), [(0, 5, -1), (3, 2, -1), (0, 4, 9)])
def test_vocabularies_that_are_too_short(tmp_path: Path, offset: int, count: int, old_size: int) -> None:
    with pytest.raises(tfg.TfgError, match="INVALID_ARGUMENT"):
        remapped(tmp_path, new_vocab_offset=offset, num_new_vocab=count, old_vocab_size=old_size)


def loaded(folder: Path, rows: Any, columns: Any, values: Any, *, cols: int, name: str = "w") -> Any:
    prefix = folder / "ckpt"
    g = tfg.GraphBuilder()
    file = g.constant(np.array(str(prefix), object))
    g.SaveV2(
        file,
        np.array([b"w", b"i"], object),
        np.array([b"", b""], object),
        [OLD, np.int32([[1]])],
        name="save",
    )
    given = np.int64(rows), np.int64(columns), np.float32(values)
    g.LoadAndRemapMatrix(
        file, np.array(name.encode(), object), *given, num_rows=len(rows), num_cols=cols, name="load"
    )
    with tfg.Session(g.graph()) as session:
        session.run(targets=["save"])
        return session.run(["load"])[0]


def test_rows_and_columns_are_taken_over(tmp_path: Path) -> None:
    assert loaded(tmp_path, [2, 0], [], [], cols=3).tolist() == [[6, 7, 8], [0, 1, 2]]
    assert loaded(tmp_path, [3], [2, 0], [], cols=2).tolist() == [[11, 9]]
    filled = loaded(tmp_path, [1, -1], [0, -1, 2], [10, 20, 21, 22], cols=3)
    assert filled.tolist() == [[3, 10, 5], [20, 21, 22]]
    assert loaded(tmp_path, [-1], [], [7, 8, 9], cols=3).tolist() == [[7, 8, 9]]


@pytest.mark.parametrize(
    ("rows", "columns", "values", "cols", "words"),
    [
        ([4], [], [], 3, "which has 4"),
        ([0], [3, 0], [], 2, "which has 3"),
        ([0, 0], [], [], 3, "several"),
        ([0, -2], [], [], 3, "not negative"),
        ([0], [], [], 2, "num_cols"),
        ([0], [1], [], 2, "col_remapping"),
        ([-1], [], [1, 2], 3, "3 are missing"),
        ([0], [], [1], 3, "0 are missing"),
    ],
)
def test_what_does_not_fit(
    tmp_path: Path, rows: Any, columns: Any, values: Any, cols: int, words: str
) -> None:
    with pytest.raises(tfg.TfgError, match=rf"INVALID_ARGUMENT.*{words}"):
        loaded(tmp_path, rows, columns, values, cols=cols)


def test_another_tensor_and_a_missing_one(tmp_path: Path) -> None:
    with pytest.raises(tfg.TfgError, match=r"INVALID_ARGUMENT.*matrix of float"):
        loaded(tmp_path, [0], [], [], cols=3, name="i")
    with pytest.raises(tfg.TfgError, match="NOT_FOUND"):
        loaded(tmp_path, [0], [], [], cols=3, name="v")
