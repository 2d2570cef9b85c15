"""What a step needs of a graph, and what may be fed."""

from __future__ import annotations

import pytest
import tfg
from tfg.runtime.passes.prune import StepSignature, prune


def graph() -> tfg.Graph:
    """a → b → c, two outputs from d, and e that waits for c."""
    g = tfg.GraphBuilder()
    a = g.placeholder("float", [None], name="a")
    b = g.Neg(a, name="b")
    c = g.Neg(b, name="c")
    values, _ = g.TopKV2(c, 1, name="d")
    with g.control_dependencies([c]):
        g.NoOp(name="e")
    g.Neg(values, name="f")
    return g.graph()


def kept(fetches: str = "", feeds: str = "", targets: str = "") -> set[str]:
    asked = StepSignature(tuple(fetches.split()), tuple(feeds.split()), tuple(targets.split()))
    return {node.name for node in prune(graph(), asked).graph.nodes}


def test_only_ancestors_are_kept() -> None:
    assert kept("b") == {"a", "b"}
    assert kept(targets="e") == {"a", "b", "c", "e"}
    assert kept("a b", targets="c") == {"a", "b", "c"}
    assert kept("b:0 b") == {"a", "b"}


def test_what_is_behind_a_feed_is_not() -> None:
    assert kept("c", "b") == {"_feed/b/0", "c"}
    assert kept("b", "a") == {"a", "b"}
    assert "c" not in kept("f", "d:0")


def test_a_control_edge_from_a_fed_node_still_runs_it() -> None:
    assert kept(targets="e", feeds="c") == {"a", "b", "c", "e"}


def test_one_output_of_two_is_fed() -> None:
    pruned = prune(graph(), StepSignature(("d:1", "f"), ("d:0",), ()))
    assert pruned.arguments == ("_feed/d/0",)
    assert pruned.graph["f"].inputs == ("_feed/d/0",)
    assert "d" in pruned.graph


def test_a_feed_that_nothing_reads_has_no_argument() -> None:
    assert prune(graph(), StepSignature(("b",), ("a", "f"), ())).arguments == ("a", None)


def test_a_fed_output_is_fetched_as_fed() -> None:
    pruned = prune(graph(), StepSignature(("a", "d:0"), ("a", "d"), ()))
    assert list(map(str, pruned.fetches)) == ["a", "_feed/d/0"]
    assert set(pruned.graph.index) == {"a", "_feed/d/0"}


@pytest.mark.parametrize(
    ("fetches", "feeds", "targets", "status"),
    [
        ((), (), (), "INVALID_ARGUMENT"),
        ((), ("a",), (), "INVALID_ARGUMENT"),
        (("z",), (), (), "NOT_FOUND"),
        (("b",), ("z",), (), "NOT_FOUND"),
        ((), (), ("z",), "NOT_FOUND"),
        (("b",), ("a", "a:0"), (), "INVALID_ARGUMENT"),
        (("^b",), (), (), "INVALID_ARGUMENT"),
        (("b",), ("^a",), (), "INVALID_ARGUMENT"),
        (("b:x",), (), (), "INVALID_ARGUMENT"),
    ],
)
def test_what_cannot_be(
    fetches: tuple[str, ...], feeds: tuple[str, ...], targets: tuple[str, ...], status: str
) -> None:
    with pytest.raises(tfg.TfgError) as caught:
        prune(graph(), StepSignature(fetches, feeds, targets))
    assert caught.value.status == status


@pytest.mark.parametrize("feed", ["a:1", "b:1", "d:2", "e", "d:999999999"])
def test_an_output_that_does_not_exist_cannot_be_fed(feed: str) -> None:
    with tfg.Session(graph()) as session, pytest.raises(tfg.TfgError, match="output") as caught:
        session.run(["f"], {"a": [1.0], feed: [1.0]})
    assert caught.value.status == "INVALID_ARGUMENT"
