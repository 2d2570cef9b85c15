"""Lookup tables: filling, finding, changing, saving; what TensorFlow does is held by the oracle suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt.errors import TfgError

KEYS, VALUES = np.array([b"a", b"b"], object), np.array([1, 2])


def static() -> tfg.Session:
    g = tfg.GraphBuilder()
    table = g.HashTableV2(key_dtype="string", value_dtype="int64", name="table")
    g.InitializeTableV2(
        table, g.placeholder("string", name="k"), g.placeholder("int64", name="v"), name="init"
    )
    g.LookupTableFindV2(table, np.array([b"b", b"c"], object), np.int64(-1), name="find")
    g.LookupTableSizeV2(table, name="size")
    g.LookupTableInsertV2(table, KEYS, VALUES, name="insert")
    return tfg.Session(g.graph())


def refused(session: tfg.Session, status: str, *fetches: str, **feeds: Any) -> bool:
    with pytest.raises(TfgError, match=status):
        session.run(fetches, feeds, ["init"] if feeds else [])
    return True


def test_a_static_table_is_filled_once() -> None:
    session = static()
    assert refused(session, "FAILED_PRECONDITION: Table not initialized", "find")
    assert session.run(["size"])[0] == 0
    for _ in range(2):
        session.run(targets=["init"], feeds={"k": KEYS, "v": VALUES})
    assert session.run(["find"])[0].tolist() == [2, -1]
    assert refused(session, "FAILED_PRECONDITION: .*different data", k=KEYS[:1], v=VALUES[:1])
    assert refused(session, "FAILED_PRECONDITION: .*different value", k=KEYS[[0, 0]], v=VALUES)
    assert refused(session, "INVALID_ARGUMENT: .*same size", k=KEYS, v=VALUES[:1])
    with pytest.raises(TfgError, match="UNIMPLEMENTED"):
        session.run(targets=["insert"])


def test_the_state_of_a_session_has_its_tables(tmp_path: Path) -> None:
    first = static()
    first.run(targets=["init"], feeds={"k": KEYS, "v": VALUES})
    first.save(tmp_path / "s.h5")
    second = static()
    second.restore(tmp_path / "s.h5")
    assert second.run(["find"])[0].tolist() == [2, -1]


@pytest.mark.parametrize(
    ("attrs", "words"),
    [
        ({"key_index": 0, "value_index": 3}, "Invalid number of columns"),
        ({"key_index": 0, "value_index": 0}, "is not a valid int64"),
        ({"key_index": -1, "value_index": 1}, "requires table key dtype of int64"),
        ({"key_index": 0, "value_index": 1, "vocab_size": 5}, "Invalid vocab_size"),
        ({"key_index": 0, "value_index": 1, "delimiter": "::"}, "only 1 char"),
        ({"key_index": 0, "value_index": 1, "name": "none"}, "NOT_FOUND"),
    ],
)
def test_files_that_do_not_fit(tmp_path: Path, attrs: dict[str, Any], words: str) -> None:
    (tmp_path / "v.txt").write_text("x\t1\ny\t2\n")
    name = tmp_path / attrs.pop("name", "v.txt")
    g = tfg.GraphBuilder()
    table = g.HashTableV2(key_dtype="string", value_dtype="int64")
    g.InitializeTableFromTextFileV2(table, np.array(str(name).encode(), object), name="init", **attrs)
    with pytest.raises(TfgError, match=words):
        tfg.Session(g.graph()).run(targets=["init"])


def test_keys_are_found_in_any_order() -> None:
    g = tfg.GraphBuilder()
    table = g.MutableHashTableV2(key_dtype="int64", value_dtype="int64")
    keys = g.placeholder("int64", name="k")
    g.LookupTableInsertV2(table, keys, keys, name="insert")
    g.LookupTableFindV2(table, keys, np.int64(-1), name="find")
    session = tfg.Session(g.graph())
    some = np.arange(0, 1000, 2)
    session.run(targets=["insert"], feeds={"k": some})
    np.testing.assert_array_equal(session.run(["find"], {"k": np.arange(4)})[0], [0, -1, 2, -1])


def test_other_handles_and_types_are_refused() -> None:
    g = tfg.GraphBuilder()
    table = g.HashTableV2(key_dtype="string", value_dtype="int64", shared_name="t")
    other = g.HashTableV2(key_dtype="string", value_dtype="string", shared_name="t")
    g.LookupTableSizeV2(table, name="one")
    with g.control_dependencies(["one"]):
        g.LookupTableSizeV2(other, name="two")
    g.LookupTableFindV2(table, np.array([1, 2]), np.int64(0), name="find")
    for fetch, words in (
        ("find", "has keys of string, not int64"),
        ("two", "not a HashTable from string to string"),
    ):
        with pytest.raises(TfgError, match=words):
            tfg.Session(g.graph()).run(["one", fetch])
