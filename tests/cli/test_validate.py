"""``tfg validate``: every fault of every file, in one pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from .command import matches_golden, run_tfg, write
from .graphs import FLOAT, ONE, chain, const, node, placeholder

MANY_FAULTS = (
    "# one of each\n"
    + ONE
    + const("ints", "tensor_shape { } int_val: 1", "DT_INT32")
    + node("cycle1", "Neg", "cycle2", T=FLOAT)
    + node("cycle2", "Neg", "cycle1", T=FLOAT)
    + node("twice", "NoOp")
    + node("twice", "NoOp")
    + node("unknown", "Negg", "one", T=FLOAT)
    + node("after_unknown", "Neg", "unknown", T=FLOAT)
    + node("input", "Neg", "onne", T=FLOAT)
    + node("port", "Neg", "one:3", T=FLOAT)
    + node("after_port", "Neg", "port", T=FLOAT)
    + node("bad name", "NoOp")
    + node("control", "Neg", "^one", "one", T=FLOAT)
    + node("attrs", "MatMul", "one", "one", T="i: 1", transpose="b: true")
    + node("dtype", "Neg", "ints", T=FLOAT)
    + node("rank", "MatMul", "one", "one", T=FLOAT)
    + node("form", "Neg", "one:x", T=FLOAT)
    + node("colocated", "NoOp", _class='list { s: "loc:@oen" }')
    + node("device", "NoOp").replace("op:", 'device: "/gpuu:0" op:')
)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_fault_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    write(tmp_path, "many.pbtxt", MANY_FAULTS)
    outcome = run_tfg("validate", "many.pbtxt")
    assert (outcome.status, outcome.out) == (1, "")
    assert matches_golden("faults.txt", outcome.err)


def test_every_fault_as_json(tmp_path: Path) -> None:
    write(tmp_path, "many.pbtxt", MANY_FAULTS)
    write(tmp_path, "good.pbtxt", ONE)
    outcome = run_tfg("validate", "many.pbtxt", "good.pbtxt", "none.pbtxt", "--json")
    assert (outcome.status, outcome.err) == (1, "")
    document = outcome.json
    assert document["valid"] is False
    many, good, none = document["files"]
    assert good == {
        "file": "good.pbtxt",
        "nodes": 1,
        "faults": [],
        "warnings": [],
        "notes": [],
        "shapes": None,
    }
    assert [fault["status"] for fault in none["faults"]] == ["NOT_FOUND"]
    by_node = {fault["node"]: fault for fault in many["faults"]}
    assert by_node["input"]["hint"] == "did you mean 'one'?"
    assert (by_node["input"]["file"], by_node["input"]["line"]) == ("many.pbtxt", 10)


def test_several_files(tmp_path: Path) -> None:
    write(tmp_path, "a.pbtxt", node("a", "NoOp", "^b"))
    write(tmp_path, "b.pbtxt", "node {")
    write(tmp_path, "c.pbtxt", ONE)
    outcome = run_tfg("validate", "a.pbtxt", "none.pbtxt", "b.pbtxt", "c.pbtxt")
    assert outcome.status == 1
    assert outcome.out == "c.pbtxt: valid, 1 node\n"
    assert outcome.err.count("error[") == 3
    for name in ("a", "none", "b"):
        assert f"{name}.pbtxt: 1 fault\n" in outcome.err


def test_valid_files(tmp_path: Path) -> None:
    write(tmp_path, "a.pbtxt", ONE)
    write(tmp_path, "b.pbtxt", "# nothing yet\n")
    outcome = run_tfg("validate", "a.pbtxt", "b.pbtxt", "-", stdin=chain(3))
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out == "a.pbtxt: valid, 1 node\nb.pbtxt: valid, 0 nodes\n-: valid, 3 nodes\n"
    assert run_tfg("validate", "a.pbtxt", "--json").json["valid"] is True


def test_inferred_shapes(tmp_path: Path) -> None:
    text = placeholder("x", shape="dim { size: -1 } dim { size: 3 }") + node("y", "Neg", "x", T=FLOAT)
    text += node("v", "VariableV2", dtype=FLOAT, shape="shape { }") + node("go", "NoOp", "^y")
    text += node("u", "Unique", "z", T=FLOAT) + placeholder("z")
    write(tmp_path, "g.pbtxt", text)
    outcome = run_tfg("validate", "--shapes", "g.pbtxt")
    assert outcome.out.splitlines() == [
        "x\tfloat[?,3]",
        "y\tfloat[?,3]",
        "v\tfloat_ref[]",
        "u\tfloat[?]",
        "u:1\tint32[?]",
        "z\tfloat<unknown>",
    ]
    document = run_tfg("validate", "--shapes", "g.pbtxt", "--json").json
    assert document["files"][0]["shapes"]["y"] == "float[?,3]"


def test_a_shuffled_file_has_the_same_shapes(tmp_path: Path) -> None:
    lines = chain(20).splitlines()
    write(tmp_path, "a.pbtxt", lines)
    write(tmp_path, "b.pbtxt", lines[::-1])
    found = [run_tfg("validate", "--shapes", name).out.splitlines() for name in ("a.pbtxt", "b.pbtxt")]
    assert sorted(found[0]) == sorted(found[1])
    assert len(found[0]) == 20
