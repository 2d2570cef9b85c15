"""Lookup tables step by step, as TensorFlow has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import tfg

from .step_sequences import StepCall, compare_steps

STRINGS = np.array([b"a", b"b", b"c"], object)


def strings(*texts: bytes) -> Any:
    return np.array(texts, object)


def test_a_static_table() -> None:
    g = tfg.GraphBuilder()
    for version in ("", "V2"):
        table = g.add_op(f"HashTable{version}", key_dtype="string", value_dtype="int64", name=f"t{version}")
        keys = g.constant(STRINGS)
        g.add_op(f"InitializeTable{version}", table, keys, g.constant(np.arange(3)), name=f"init{version}")
        g.add_op(
            f"InitializeTable{version}", table, keys, g.constant(np.arange(1, 4)), name=f"other{version}"
        )
        twice = g.constant(strings(b"a", b"a"))
        g.add_op(f"InitializeTable{version}", table, twice, g.constant(np.arange(2)), name=f"twice{version}")
        asked = g.constant(np.array([[b"c", b"x"], [b"a", b"a"]], object))
        g.add_op(f"LookupTableFind{version}", table, asked, g.constant(np.int64(-1)), name=f"find{version}")
        g.add_op(
            f"LookupTableFind{version}", table, asked, g.constant(np.array([1, 2])), name=f"bad{version}"
        )
        g.add_op(f"LookupTableSize{version}", table, name=f"size{version}")
        steps = [StepCall(f"find{version}"), StepCall(f"size{version}"), StepCall(targets=f"twice{version}")]
        steps += [StepCall(targets=f"init{version}"), StepCall(f"find{version} size{version}")]
        steps += [
            StepCall(targets=f"init{version}"),
            StepCall(targets=f"other{version}"),
            StepCall(f"bad{version}"),
        ]
        compare_steps(g.graph(), steps)


def test_a_mutable_table() -> None:
    g = tfg.GraphBuilder()
    table = g.MutableHashTableV2(key_dtype="int64", value_dtype="float", name="t")
    keys, values = g.placeholder("int64", name="k"), g.placeholder("float", name="v")
    g.LookupTableInsertV2(table, keys, values, name="insert")
    g.LookupTableImportV2(table, keys, values, name="import")
    g.LookupTableRemoveV2(table, keys, name="remove")
    g.LookupTableFindV2(table, keys, g.placeholder("float", name="d"), name="find")
    g.LookupTableSizeV2(table, name="size")
    four = np.arange(4)
    steps = [
        StepCall("size"),
        StepCall("", "insert", {"k": four, "v": np.float32([1, 2, 3, 4])}),
        StepCall("find", "", {"k": four[::-1], "d": np.float32(0)}),
        StepCall("find", "", {"k": np.array([[9, 1]]), "d": np.float32([[5, 6]])}),
        StepCall("find", "", {"k": np.array([9, 1]), "d": np.float32([5, 6, 7])}),
        StepCall("", "remove", {"k": np.array([1, 77])}),
        StepCall("size"),
        StepCall("", "insert", {"k": four, "v": np.float32([1, 2])}),
        StepCall("", "import", {"k": four[:1], "v": np.float32([9])}),
        StepCall("size find", "", {"k": four, "d": np.float32(0)}),
        StepCall("find", "", {"k": np.int64(0), "d": np.float32(0)}),
        StepCall("find", "", {"k": np.zeros(0, np.int64), "d": np.float32(0)}),
    ]
    compare_steps(g.graph(), steps)


@pytest.mark.parametrize("dense", [False, True])
def test_tables_of_vectors(dense: bool) -> None:
    g = tfg.GraphBuilder()
    attrs: dict[str, Any] = {"key_dtype": "int64", "value_dtype": "float", "value_shape": [2], "name": "t"}
    if dense:
        table = g.MutableDenseHashTableV2(np.int64(-1), np.int64(-2), initial_num_buckets=4, **attrs)
    else:
        table = g.MutableHashTableOfTensorsV2(**attrs)
    keys, values = g.placeholder("int64", name="k"), g.placeholder("float", name="v")
    g.LookupTableInsertV2(table, keys, values, name="insert")
    g.LookupTableFindV2(table, keys, g.constant(np.float32([7, 8])), name="find")
    g.LookupTableRemoveV2(table, keys, name="remove")
    g.LookupTableSizeV2(table, name="size")
    steps = [
        StepCall("", "insert", {"k": np.arange(6), "v": np.arange(12, dtype=np.float32).reshape(6, 2)}),
        StepCall("find", "", {"k": np.array([[5, 9], [0, 1]])}),
        StepCall("", "insert", {"k": np.arange(2), "v": np.float32([1, 2])}),
        StepCall("", "remove", {"k": np.array([3])}),
        StepCall("find size", "", {"k": np.array([3])}),
    ]
    if dense:
        steps += [StepCall("find", "", {"k": np.array([-1])}), StepCall("find", "", {"k": np.array([-2])})]
    compare_steps(g.graph(), steps)


def test_a_table_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("one 1\ntwo 2\nthree 3\n")
    g = tfg.GraphBuilder()
    steps: list[StepCall] = []
    cases = [(-2, -1, -1, "string", "int64"), (0, 1, -1, "string", "int64"), (-1, -2, 2, "int64", "string")]
    cases += [(-2, -1, 9, "string", "int64"), (0, 5, -1, "string", "int64"), (1, 0, -1, "int64", "int64")]
    for n, (key, value, size, kd, vd) in enumerate(cases):
        table = g.HashTableV2(key_dtype=kd, value_dtype=vd, name=f"t{n}")
        g.InitializeTableFromTextFileV2(
            table, np.array(str(tmp_path / "v.txt").encode(), object), key_index=key, value_index=value,
            vocab_size=size, delimiter=" ", offset=0, name=f"i{n}",
        )  # fmt: skip
        asked = strings(b"two", b"two 2", b"x") if kd == "string" else np.array([0, 1, 9])
        default = np.array(b"?", object) if vd == "string" else np.int64(-1)
        g.LookupTableFindV2(table, asked, default, name=f"f{n}")
        steps += [StepCall("", f"i{n}"), StepCall(f"f{n}")]
    compare_steps(g.graph(), steps)
