"""What commands check before anything runs, and what they leave unchecked: files in ``tests/cases/checks``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import is_diagnostic, run_tfg, write
from tests.cli.graphs import FLOAT, ONE, node, placeholder

CASES = Path(__file__).parents[1] / "cases" / "checks"


def case(name: str) -> Path:
    return CASES / f"{name}.pbtxt"


# The nodes before a feed.


def test_what_precedes_a_feed_need_not_be_known() -> None:
    """The queue that the batch comes from is an operation that this build does not have."""
    outcome = run_tfg(
        *("run", case("feed_output_of_missing_op"), "--feed", "batch:0=[[1,2]]", "--feed", "batch:1=[3]"),
        *("--fetch", "y", "--fetch", "z"),
    )
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.split() == ["y", "=", "float[1,2]", "[[1.", "4.]]", "z", "=", "int32[1]", "[-3]"]


@pytest.mark.parametrize(
    "before",
    [
        node("made", "ReadFromSpace", "one", out=FLOAT),
        node("made", "Neg", "one", T="type: DT_STRING"),
        node("made", "Neg", "one:5", T=FLOAT),
        node("made", "MatMul", "one", "one", T=FLOAT),
    ],
    ids=["unknown operation", "wrong attribute", "wrong input", "wrong rank"],
)
def test_what_is_fed_need_not_be_valid(tmp_path: Path, before: str) -> None:
    graph = write(tmp_path, "g.pbtxt", ONE + before + node("y", "Neg", "made", T=FLOAT))
    outcome = run_tfg("run", graph, "--feed", "made=[[2]]", "--fetch", "y")
    assert (outcome.status, outcome.out) == (0, "y = float[1,1]\n[[-2.]]\n")


def test_a_fed_output_that_only_unknown_operations_read_has_no_dtype(tmp_path: Path) -> None:
    graph = write(tmp_path, "g.pbtxt", node("a", "MadeUp") + ONE)
    outcome = run_tfg("run", graph, "--feed", "a=2", "--fetch", "one")
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", "dtype", "'a'", ":1:1")


# Attributes that an operation does not have.


def test_unknown_attributes_are_ignored_with_a_warning() -> None:
    outcome = run_tfg("run", case("unknown_attr"), "--fetch", "y")
    assert (outcome.status, outcome.out) == (0, "y = 9.0\n")
    assert outcome.err.startswith("warning: operation Square has no attr 'vendor_hint'\n  --> ")
    assert "unknown_attr.pbtxt:2:85" in outcome.err


def test_a_warning_is_given_once(tmp_path: Path) -> None:
    nodes = "".join(node(f"n{i}", "NoOp", maker="i: 1", _maker="i: 1") for i in range(3))
    graph = write(tmp_path, "g.pbtxt", nodes)
    for command in (["validate"], ["run", "--target", "n2", "--target", "n1"], ["show"]):
        outcome = run_tfg(command[0], graph, *command[1:])
        assert (outcome.status, outcome.err.count("warning: ")) == (0, 1)


@pytest.mark.parametrize(
    "command", [["validate"], ["run", "--fetch", "y"], ["show"], ["place", "--devices", "cpu:2"]]
)
def test_strict_refuses_unknown_attributes(command: list[str]) -> None:
    outcome = run_tfg(command[0], case("unknown_attr"), *command[1:], "--strict")
    assert outcome.status == 1
    assert "error[INVALID_ARGUMENT]: operation Square has no attr 'vendor_hint'\n" in outcome.err


def test_warnings_are_in_json() -> None:
    for command in (["run", "--fetch", "y"], ["show"]):
        found = run_tfg(command[0], case("unknown_attr"), *command[1:], "--json").json["warnings"]
        assert [(warning["node"], warning["line"]) for warning in found] == [("y", 2)]
    (file,) = run_tfg("validate", case("unknown_attr"), "--json").json["files"]
    assert (file["faults"], [warning["node"] for warning in file["warnings"]]) == ([], ["y"])


# Functions.


def test_unknown_operations_of_uncalled_functions_are_notes() -> None:
    outcome = run_tfg("validate", case("cudnn_in_unused_function"))
    assert outcome.status == 0
    assert outcome.err.startswith("note: Op type not registered 'CudnnRNN'\n  --> ")


def test_colocation_of_a_body_with_a_node_outside_is_a_note(tmp_path: Path) -> None:
    body = 'node_def { name: "n" op: "NoOp" attr { key: "_class" value { list { s: "loc:@w" } } } }'
    library = f'library {{ function {{ signature {{ name: "f" }} {body} }} }}\n'
    outcome = run_tfg("validate", write(tmp_path, "g.pbtxt", library))
    assert outcome.status == 0
    assert outcome.err.startswith("note: node 'n' expects to be colocated with unknown node 'w'\n")


# The structure, and the attributes.


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("s01_placeholder_attr", "'dtype' is a placeholder"),
        ("s02_placeholder_shape", "'shape' is a placeholder"),
        ("s03_duplicate_name_show", "is not unique"),
        ("s04_duplicate_name_partition", "is not unique"),
        ("s04c_control_before_data_grad", "follows a control input"),
        ("s17_place_missing_input_freeze", "takes 1 inputs, not 0"),
    ],
)
def test_commands_check_the_structure_first(name: str, words: str, tmp_path: Path) -> None:
    graph, out = case(name), tmp_path / "out"
    for command in (
        ("show", graph),
        ("place", graph, "--devices", "cpu:2"),
        ("partition", graph, "--devices", "cpu:2", "-o", out),
        ("grad", graph, "--loss", "y", "-o", out),
        ("restore", graph, "none.h5", "-o", out),
        ("checkpoint", graph, "--state", "none.h5", "-o", tmp_path / "out.h5"),
    ):
        assert is_diagnostic(run_tfg(*command), "INVALID_ARGUMENT", words, f"{name}.pbtxt:")
    assert words in run_tfg("validate", graph).err


def test_text_attributes_are_utf8() -> None:
    outcome = run_tfg("validate", case("s07_bad_utf8_attr"))
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", "not UTF-8", ":2:95")


def test_no_attribute_has_the_invalid_dtype(tmp_path: Path) -> None:
    graph = write(tmp_path, "g.pbtxt", placeholder("x", "DT_INVALID"))
    assert is_diagnostic(run_tfg("validate", graph), "INVALID_ARGUMENT", "DT_INVALID", ":1:")


# Old graphs.


def test_the_shape_of_a_placeholder_in_an_old_graph_is_unknown() -> None:
    """Up to producer 21, [] stands for it."""
    outcome = run_tfg("run", case("legacy_placeholder_shape"), "--feed", "x=[[1,2]]", "--fetch", "y")
    assert (outcome.status, outcome.out) == (0, "y = float[1,1]\n[[8.]]\n")


# Numbers that claim more than the file holds.


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("bomb_as_shape", "INVALID_ARGUMENT"),
        ("bomb_elements_of", "INVALID_ARGUMENT"),
        ("bomb_split", "RESOURCE_EXHAUSTED"),
    ],
)
def test_claimed_sizes_cost_nothing(name: str, status: str) -> None:
    outcome = run_tfg("validate", case(name))
    assert (outcome.status, outcome.err.startswith(f"error[{status}]")) == (1, True)
