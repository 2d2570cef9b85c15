"""``tfg compare``: the first value that differs, and what it is compared by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import ml_dtypes
import numpy as np
import pytest
import tfg
from tfg.cli.running.compared_sources import FileValues

from .command import is_diagnostic, run_tfg


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    graph("a.pbtxt")


def graph(path: str, scale: float = 2.0, middle: str = "k", noise: float = 0.0) -> None:
    """x [?, 3] → h = relu(x + noise) → middle = h * scale → s = its sums."""
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 3], name="x")
    h = g.Relu(g.Add(x, np.float32(noise), name="shifted"), name="h")
    k = g.Mul(h, g.constant(np.float32(scale), name="scale"), name=middle)
    g.Sum(k, g.constant(np.array([0], np.int32), name="axes"), name="s")
    taken = g.Switch(k, g.placeholder("bool", [], name="c"), name="switch")[1]
    g.Neg(taken, name="branch")
    tfg.save(g.graph(), path)


STEP = ("--fetch", "s", "--feed", "x=[[1,2,3],[4,5,6]]")


def test_a_graph_equals_itself_under_other_settings() -> None:
    outcome = run_tfg("compare", "a.pbtxt", "a.pbtxt", *STEP, "--b-optimize", "off", "--b-devices", "cpu:2")
    assert (outcome.status, outcome.out) == (0, "")
    assert outcome.err.endswith("compared 7 values\nno difference\n")


def test_the_first_difference_and_its_growth() -> None:
    graph("b.pbtxt", scale=3.0)
    document = run_tfg("compare", "a.pbtxt", "b.pbtxt", *STEP, "--json").json
    assert [d["name"] for d in document["differences"]] == ["scale", "k", "s"]
    k = document["differences"][1]
    assert (k["op"], k["how"], k["elements"], k["at"], k["absolute"]) == ("Mul", "values", 6, [1, 2], 6.0)
    assert k["inputs"] == [{"name": "h", "verdict": "equal"}, {"name": "scale", "verdict": "differs"}]
    assert k["statistics"]["mean"] == 3.5
    assert k["statistics"]["decades"] == [{"exponent": 0, "count": 6}]
    outcome = run_tfg("compare", "a.pbtxt", "b.pbtxt", *STEP)
    assert outcome.status == 1
    assert outcome.out.startswith("first difference: scale (Const), float[]: values differ\n")


def test_tolerances_follow_the_dtype() -> None:
    graph("b.pbtxt", scale=2.1)
    assert run_tfg("compare", "a.pbtxt", "b.pbtxt", *STEP).status == 1
    assert run_tfg("compare", "a.pbtxt", "b.pbtxt", *STEP, "--tolerance", "float=0.1").status == 0
    assert run_tfg("compare", "a.pbtxt", "b.pbtxt", *STEP, "--tolerance", "double=0.1").status == 1


@pytest.mark.parametrize("name", ["v.npz", "v.h5"])
def test_values_in_files(name: str) -> None:
    run_tfg("run", "a.pbtxt", *STEP, "--fetch", "h", "--fetch", "k:0", "-o", name)
    outcome = run_tfg("compare", "a.pbtxt", name, *STEP)
    assert (outcome.status, outcome.err) == (0, "compared 3 values\nno difference\n")
    graph("b.pbtxt", noise=1.0)
    document = run_tfg("compare", name, "b.pbtxt", *STEP, "--json").json
    assert [d["name"] for d in document["differences"]] == ["h", "k", "s"]
    assert document["differences"][0]["inputs"] == [{"name": "shifted", "verdict": "not compared"}]


def test_names_from_a_file() -> None:
    graph("b.pbtxt", middle="other", noise=1.0)
    Path("names.txt").write_text("# pairs\nk other:0\n")
    document = run_tfg("compare", "a.pbtxt", "b.pbtxt", *STEP, "--names", "names.txt", "--json").json
    assert {"name": "k", "name_in_b": "other"}.items() <= document["differences"][3].items()
    Path("names.txt").write_text("k other more\n")
    outcome = run_tfg("compare", "a.pbtxt", "b.pbtxt", *STEP, "--names", "names.txt")
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", "names.txt:1")


def test_branches_that_are_not_taken() -> None:
    step = ("--fetch", "branch", "--feed", "c=false", "--feed", "x=zeros")
    document = run_tfg("compare", "a.pbtxt", "a.pbtxt", *step, "--json").json
    assert document["equal"]
    assert document["not_executed"] == ["switch:1", "branch"]


def test_statistics_of_nan_and_of_last_places() -> None:
    one = np.array([1.0, np.nan, np.inf, -0.0], np.float32)
    other = np.array([np.nextafter(np.float32(1), np.float32(2)), 0.0, np.inf, 0.0], np.float32)
    np.savez("one.npz", v=one)
    np.savez("two.npz", v=other)
    (difference,) = run_tfg("compare", "one.npz", "two.npz", "--json").json["differences"]
    assert (difference["elements"], difference["absolute"]) == (1, "Infinity")
    statistics = difference["statistics"]
    assert (statistics["ulps"], statistics["nans"], statistics["infinities"]) == (1, [1, 0], [1, 1])


def test_dtypes_and_shapes_of_other_programs() -> None:
    values = np.array([1.0, 2.0, 3.0])
    with h5py.File("one.h5", "w") as file:
        file["deep/near"], file["int"], file["shape"] = values, np.int32(3), values
    others: dict[str, Any] = {"deep/near": values.astype(ml_dtypes.bfloat16), "int": np.int64(3)}
    np.savez("two.npz", **others, shape=values[:2])
    document = run_tfg("compare", "one.h5", "two.npz", "--json").json
    assert [(d["name"], d["how"]) for d in document["differences"]] == [("int", "dtype"), ("shape", "shape")]


def test_a_step_that_changes_state_starts_from_the_same_state() -> None:
    g = tfg.GraphBuilder()
    v = g.VarHandleOp(dtype="float", shape=[], shared_name="v", name="v")
    g.AssignVariableOp(v, np.float32(1), name="init")
    added = g.AssignAddVariableOp(v, np.float32(1), name="add")
    with g.control_dependencies([added]):
        read = g.ReadVariableOp(v, dtype="float", name="read")
    g.Neg(read, name="y")
    tfg.save(g.graph(), "state.pbtxt")
    np.savez("values.npz", read=np.float32(2), y=np.float32(-2))
    assert run_tfg("compare", "state.pbtxt", "values.npz", "--init", "init", "--fetch", "y").status == 0


def test_bad_requests() -> None:
    graph("b.pbtxt")
    Path("bad.h5").write_bytes(b"nothing")
    np.savez("other.npz", strange=1)
    for arguments, status, code in (
        (("a.pbtxt", "other.npz", *STEP), "INVALID_ARGUMENT", 1),
        (("a.pbtxt", "none.npz", *STEP), "NOT_FOUND", 1),
        (("a.pbtxt", "bad.h5", *STEP), "INVALID_ARGUMENT", 1),
        (("a.pbtxt", "b.pbtxt", "--fetch", "nothing"), "NOT_FOUND", 1),
        (("a.pbtxt", "b.pbtxt", *STEP, "--tolerance", "float=x"), "INVALID_ARGUMENT", 2),
        (("a.pbtxt", "b.pbtxt", *STEP, "--tolerance", "float=nan"), "INVALID_ARGUMENT", 2),
        (("a.pbtxt",), "INVALID_ARGUMENT", 2),
    ):
        outcome = run_tfg("compare", *arguments)
        assert outcome.status == code, arguments
        assert is_diagnostic(outcome, status)


def quotient(path: str, divisor: int) -> None:
    g = tfg.GraphBuilder()
    y = g.FloorDiv(g.placeholder("int32", [2], name="x"), np.int32(divisor), name="y")
    g.Neg(y, name="z")
    tfg.save(g.graph(), path)


def test_a_kernel_that_fails_is_named_with_its_error() -> None:
    quotient("two.pbtxt", 2)
    quotient("zero.pbtxt", 0)
    outcome = run_tfg("compare", "two.pbtxt", "zero.pbtxt", "--feed", "x=[4,6]")
    assert outcome.status == 1
    assert "y fails in B: INVALID_ARGUMENT at y: Integer division by zero" in outcome.out
    assert "and with it 1 other value" in outcome.out
    document = run_tfg("compare", "zero.pbtxt", "two.pbtxt", "--feed", "x=[4,6]", "--json").json
    assert not document["equal"]
    assert [(one["name"], one["a"]["node"], one["b"]) for one in document["failures"]] == [
        ("y", "y", None),
        ("z", "y", None),
    ]


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_files_are_read_a_few_values_at_a_time(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [1 << 18], name="x")
    for number in range(40):
        x = g.Neg(x, name=f"n{number}")
    tfg.save(g.graph(), "chain.pbtxt")
    feed = ("--feed", f"x=random:{1 << 18}")
    assert run_tfg("run", "chain.pbtxt", *feed, "--fetch-all", "-o", f"all{suffix}").status == 0
    largest = 0
    read = FileValues.read

    def counted(self: FileValues, names: Sequence[str]) -> Mapping[str, Any]:
        nonlocal largest
        values = read(self, names)
        largest = max(largest, sum(value.nbytes for value in values.values()))
        return values

    monkeypatch.setattr(FileValues, "read", counted)
    outcome = run_tfg("compare", "chain.pbtxt", f"all{suffix}", *feed, "--json")
    assert outcome.json["equal"]
    assert outcome.json["compared"] == 40
    assert 0 < largest <= 8 << 20
