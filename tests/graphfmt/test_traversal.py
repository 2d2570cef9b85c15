"""Walks over graphs: order, cycles, and chains that would exhaust a recursive walk."""

from __future__ import annotations

import pytest
from tfg.graphfmt import traversal
from tfg.graphfmt.errors import TfgError
from tfg.graphfmt.graph import Graph, Node

LONG = 100_000

DIAMOND = Graph(
    (
        Node("sum", "Add", ("left", "right")),
        Node("left", "Neg", ("source:1",)),
        Node("right", "Neg", ("source", "^init")),
        Node("source", "Split"),
        Node("init", "NoOp"),
        Node("apart", "NoOp"),
    )
)


def chain(length: int) -> Graph:
    first = Node("n0", "NoOp")
    return Graph((*(Node(f"n{i}", "Neg", (f"n{i - 1}",)) for i in range(length - 1, 0, -1)), first))


def test_every_node_comes_after_its_inputs_and_otherwise_in_file_order() -> None:
    names = [node.name for node in traversal.topological_order(DIAMOND)]
    assert names == ["source", "left", "init", "right", "sum", "apart"]


def test_inputs_of_cut_nodes_are_not_followed() -> None:
    names = [node.name for node in traversal.topological_order(DIAMOND, {"sum"})]
    assert names[0] == "sum"


def test_a_cycle_is_named() -> None:
    graph = Graph((Node("a", "Neg", ("b",)), Node("b", "Neg", ("a",))))
    with pytest.raises(TfgError, match=r"cycle without NextIteration: (a -> b -> a|b -> a -> b)"):
        list(traversal.topological_order(graph))


def test_back_edges_are_no_cycle() -> None:
    graph = Graph((Node("m", "Merge", ("n",)), Node("n", "NextIteration", ("m",))))
    order = traversal.topological_order(graph, back_edges={"Merge": ("NextIteration",)})
    assert [node.name for node in order] == ["m", "n"]


def test_an_unknown_input_is_refused() -> None:
    with pytest.raises(TfgError, match="unknown input 'nothing'"):
        list(traversal.topological_order(Graph((Node("a", "Neg", ("nothing",)),))))


def test_ancestors_follow_control_edges_unless_asked_for_data_alone() -> None:
    assert set(traversal.ancestors(DIAMOND, ["right"])) == {"right", "source", "init"}
    assert set(traversal.ancestors(DIAMOND, ["right"], data_only=True)) == {"right", "source"}
    assert not traversal.ancestors(DIAMOND, ["nothing"])


def test_descendants_are_all_that_depend_on_a_node() -> None:
    assert set(traversal.descendants(DIAMOND.nodes, ["init"])) == {"init", "right", "sum"}


def test_long_chains_are_walked_without_recursion() -> None:
    graph = chain(LONG)
    assert len(list(traversal.topological_order(graph))) == LONG
    assert len(traversal.ancestors(graph, [f"n{LONG - 1}"])) == LONG
    assert len(traversal.descendants(graph.nodes, ["n0"])) == LONG
