from __future__ import annotations

from collections.abc import Callable

import pytest
import tfg
from tfg.runtime.passes.validation import shapes
from tfg.runtime.visualization.neighbourhood import neighbourhood
from tfg.runtime.visualization.scope_colors import color_items
from tfg.runtime.visualization.scope_picture import tooltip
from tfg.runtime.visualization.scope_rows import arrange_rows
from tfg.runtime.visualization.scope_tree import ScopeTree, scope_tree
from tfg.runtime.visualization.scope_view import BoxPosition, open_scopes, positions, visible_edges

Loader = Callable[[str], tfg.Graph]

CONDITIONAL = """
node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
node { name: "p" op: "Placeholder" attr { key: "dtype" value { type: DT_BOOL } } }
node { name: "cond/switch" op: "Switch" input: "x" input: "p" attr { key: "T" value { type: DT_FLOAT } } }
node { name: "cond/no" op: "Neg" input: "cond/switch" attr { key: "T" value { type: DT_FLOAT } } }
node { name: "cond/yes" op: "Abs" input: "cond/switch:1" attr { key: "T" value { type: DT_FLOAT } } }
node { name: "cond/merge" op: "Merge" input: "cond/no" input: "cond/yes"
  attr { key: "T" value { type: DT_FLOAT } } attr { key: "N" value { i: 2 } } }
"""
LOOP = """
node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
node { name: "w/enter" op: "Enter" input: "x" attr { key: "T" value { type: DT_FLOAT } }
  attr { key: "frame_name" value { s: "f" } } }
node { name: "w/merge" op: "Merge" input: "w/enter" input: "w/next" attr { key: "T" value { type: DT_FLOAT } }
  attr { key: "N" value { i: 2 } } }
node { name: "w/limit" op: "Const" input: "^w/merge" attr { key: "dtype" value { type: DT_FLOAT } }
  attr { key: "value" value { tensor { dtype: DT_FLOAT tensor_shape { } float_val: 9 } } } }
node { name: "w/less" op: "Less" input: "w/merge" input: "w/limit" attr { key: "T" value { type: DT_FLOAT } } }
node { name: "w/cond" op: "LoopCond" input: "w/less" }
node { name: "w/switch" op: "Switch" input: "w/merge" input: "w/cond" attr { key: "T" value { type: DT_FLOAT } } }
node { name: "w/body" op: "Add" input: "w/switch:1" input: "w/limit" attr { key: "T" value { type: DT_FLOAT } } }
node { name: "w/next" op: "NextIteration" input: "w/body" attr { key: "T" value { type: DT_FLOAT } } }
node { name: "w/exit" op: "Exit" input: "w/switch" attr { key: "T" value { type: DT_FLOAT } } }
"""


@pytest.fixture(name="load")
def _load(tmp_path_factory: pytest.TempPathFactory) -> Loader:
    def load(text: str) -> tfg.Graph:
        path = tmp_path_factory.mktemp("graph") / "g.pbtxt"
        path.write_text(text)
        return tfg.load(path)

    return load


def layers() -> tfg.Graph:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [2, 3], name="x")
    a = g.Neg(x, name="a/inner/one")
    b = g.Abs(a, name="a/inner/two")
    g.AddV2(b, x, name="b/sum")
    return g.graph()


def tree_of(graph: tfg.Graph) -> ScopeTree:
    return scope_tree(graph, shapes(graph))


def labels(tree: ScopeTree, kind: str) -> list[str]:
    return [item.label for item in tree.items[1:] if item.kind == kind]


def test_scopes_count_their_nodes_and_bytes() -> None:
    tree = tree_of(layers())
    scopes = {item.label: (item.count, item.bytes) for item in tree.items if item.kind == "scope"}
    assert scopes == {"": (4, 96), "a": (2, 48), "inner": (2, 48), "b": (1, 24)}


def test_edges_between_folded_scopes_are_shown_once() -> None:
    tree = tree_of(layers())
    shown = {
        (tree.items[e.source].label, tree.items[e.target].label, e.label) for e in visible_edges(tree, {0})
    }
    assert shown == {("x", "a", "float[2,3]"), ("a", "b", "float[2,3]"), ("x", "b", "float[2,3]")}


def overlap(a: BoxPosition, b: BoxPosition) -> bool:
    return (
        a.left < b.left + b.width
        and b.left < a.left + a.width
        and a.top < b.top + b.height
        and b.top < a.top + a.height
    )


def test_boxes_do_not_overlap_and_stand_inside_of_their_scopes() -> None:
    tree = tree_of(layers())
    boxes = {box.item: box for box in positions(tree, open_scopes(tree, 100))}
    assert len(boxes) == len(tree.items) - 1
    for number, box in boxes.items():
        parent = boxes.get(tree.items[number].parent)
        if parent is not None:
            assert parent.left < box.left
            assert box.left + box.width < parent.left + parent.width
            assert parent.top < box.top
            assert box.top + box.height < parent.top + parent.height
        siblings = [
            b for n, b in boxes.items() if n != number and tree.items[n].parent == tree.items[number].parent
        ]
        assert not any(overlap(box, other) for other in siblings)


def test_a_loop_is_the_scope_that_has_its_nodes(load: Loader) -> None:
    tree = tree_of(load(LOOP))
    assert labels(tree, "loop") == ["w"]


def test_a_loop_without_a_scope_gets_one(load: Loader) -> None:
    tree = tree_of(load(LOOP.replace("w/", "")))
    assert labels(tree, "loop") == ["loop f"]
    (loop,) = (item for item in tree.items if item.kind == "loop")
    assert loop.count == 9


def test_branches_are_boxes(load: Loader) -> None:
    tree = tree_of(load(CONDITIONAL))
    assert sorted(labels(tree, "branch")) == ["if p: false", "if p: true"]


def test_functions_are_inside_of_their_calls(load: Loader) -> None:
    text = """
    node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
    node { name: "call" op: "PartitionedCall" input: "x" attr { key: "f" value { func { name: "twice" } } }
      attr { key: "Tin" value { list { type: DT_FLOAT } } } attr { key: "Tout" value { list { type: DT_FLOAT } } } }
    library { function { signature { name: "twice" input_arg { name: "a" type: DT_FLOAT }
      output_arg { name: "b" type: DT_FLOAT } }
      node_def { name: "sum" op: "Add" input: "a" input: "a" attr { key: "T" value { type: DT_FLOAT } } }
      ret { key: "b" value: "sum:z:0" } } }
    """
    tree = tree_of(load(text))
    (function,) = (item for item in tree.items if item.kind == "function")
    assert function.label == "f: twice"
    assert [tree.items[child].label for child in function.children] == ["a", "sum"]
    assert tree.items[function.parent].label == "call"


def test_rows_put_items_below_their_sources_in_spite_of_cycles() -> None:
    rows = arrange_rows([1, 2, 3, 4], [(1, 2), (2, 3), (3, 2), (3, 4)])
    at = {item: number for number, row in enumerate(rows) for item in row}
    assert at[1] < at[2] < at[3] < at[4]


def test_long_rows_are_broken() -> None:
    rows = arrange_rows(list(range(40)), [])
    assert max(map(len, rows)) <= 14
    assert sorted(item for row in rows for item in row) == list(range(40))


def test_a_large_scope_is_divided() -> None:
    g = tfg.GraphBuilder()
    for number in range(6100):
        g.NoOp(name=f"n{number}")
    tree = tree_of(g.graph())
    assert len(tree.items[0].children) == 21
    assert tree.items[0].count == 6100


def test_the_neighbourhood_has_both_directions() -> None:
    near = neighbourhood(layers(), "a/inner/two", 1)
    assert [node.name for node in near.nodes] == ["a/inner/one", "a/inner/two", "b/sum"]
    assert [list(node.inputs) for node in near.nodes] == [[], ["a/inner/one"], ["a/inner/two"]]


def test_measured_times_add_up_and_colour() -> None:
    graph = layers()
    tree = scope_tree(graph, {}, {"a/inner/one": 3e-3, "b/sum": 1e-3})
    assert tree.items[0].seconds == pytest.approx(4e-3)
    paints = color_items(tree, "time").paints
    by_label = {item.label: paint.opacity for item, paint in zip(tree.items, paints)}
    assert by_label["one"] > by_label["sum"] > by_label["x"]
    (one,) = (item for item in tree.items if item.label == "one")
    assert tooltip(one) == "a/inner/one\nNeg\n3 ms"
