"""``tfg diff``: how two graphs differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tfg
from tfg.graphfmt.attributes import AttrValue

from .command import run_tfg


def graph(path: str, *, scale: float = 1.0, hidden: str = "hidden", transpose: bool = False) -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [2, 2], name="x")
    w = g.constant(np.float32([[1, 2], [3, 4 * scale]]), name="w")
    y = g.Relu(g.MatMul(x, w, transpose_b=transpose, name="product"), name=hidden)
    g.Neg(y, name="y")
    tfg.save(g.graph(), path)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    graph("a.pbtxt")


def _without_defaults(node: tfg.Node) -> dict[str, AttrValue]:
    return {name: value for name, value in node.attrs.items() if value is not False}


def test_a_graph_equals_itself_in_another_format_and_order() -> None:
    loaded = tfg.load("a.pbtxt")
    nodes = [replace(node, attrs=_without_defaults(node)) for node in loaded.nodes[::-1]]
    tfg.save(loaded.with_nodes(nodes), "b.pb")
    outcome = run_tfg("diff", "a.pbtxt", "b.pb")
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "no difference\n")
    assert run_tfg("diff", "a.pbtxt", "b.pb", "--json").json["equal"] is True


def test_a_node_with_another_name_is_renamed() -> None:
    graph("b.pbtxt", hidden="activation")
    outcome = run_tfg("diff", "a.pbtxt", "b.pbtxt")
    assert (outcome.status, outcome.out) == (1, "renamed:\n  hidden  →  activation  Relu\n")


def test_attributes_inputs_and_operations_that_changed() -> None:
    graph("b.pbtxt", transpose=True)
    text = Path("b.pbtxt").read_text().replace('op: "Neg"', 'op: "Exp"')
    Path("b.pbtxt").write_text(text)
    changed = {
        one["name"]: one["changes"] for one in run_tfg("diff", "a.pbtxt", "b.pbtxt", "--json").json["changed"]
    }
    assert changed["product"] == [{"field": "transpose_b", "a": "false", "b": "true"}]
    assert changed["y"] == [{"field": "op", "a": "Neg", "b": "Exp"}]


def test_weights_within_a_tolerance_are_equal() -> None:
    graph("b.pbtxt", scale=1.25)
    outcome = run_tfg("diff", "a.pbtxt", "b.pbtxt")
    assert outcome.out == "different weights:\n  w  float[2,2]  1 of 4 elements  at most 1\n"
    assert run_tfg("diff", "a.pbtxt", "b.pbtxt", "--atol", "1").status == 0


def test_nodes_that_only_one_has() -> None:
    g = tfg.GraphBuilder(tfg.load("a.pbtxt"))
    g.NoOp(name="more")
    tfg.save(g.graph(), "b.pbtxt")
    assert run_tfg("diff", "a.pbtxt", "b.pbtxt").out == "only in b.pbtxt:\n  more  NoOp\n"
    assert run_tfg("diff", "b.pbtxt", "a.pbtxt").out == "only in b.pbtxt:\n  more  NoOp\n"


def test_bad_requests() -> None:
    assert run_tfg("diff", "a.pbtxt", "none.pbtxt").status == 1
    assert run_tfg("diff", "a.pbtxt").status == 2
    assert run_tfg("diff", "a.pbtxt", "a.pbtxt", "--rtol", "nan").status == 2
