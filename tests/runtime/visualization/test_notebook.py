"""What a notebook shows; no Jupyter is needed."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import tfg
from tfg.runtime.visualization.notebook import draw_graph


class Shown(HTMLParser):
    """The elements of a document; fails for one that is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.frames: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        if tag == "iframe":
            self.frames.append(dict(attrs)["srcdoc"])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def graph() -> tfg.Graph:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [2, 3], name="x")
    w = g.VariableV2(shape=[3, 1], dtype="float", name="layer/w")
    g.Assign(w, np.ones((3, 1), np.float32), name="init")
    g.MatMul(x, w, name="layer/product")
    return g.graph()


X = np.ones((2, 3), np.float32)


def traced() -> Any:
    with tfg.Session(graph()) as session:
        session.run(targets=["init"])
        return session.run(["layer/product"], {"x": X}, trace=True)


def test_a_traced_run_gives_the_values_and_what_every_node_took() -> None:
    values = traced()
    (product,) = values
    np.testing.assert_array_equal(product, [[3], [3]])
    (record,) = values.records()
    assert (record["name"], record["dtype"], record["shape"]) == ("layer/product", "float", (2, 1))
    steps = {one["node"]: one for one in values.trace.records()}
    assert steps["layer/product"]["flops"] == 2 * 2 * 3
    assert steps["layer/product"]["outputs"] == ["float32[2, 1]"]
    assert steps["layer/product"]["seconds"] > 0
    # All records have the same keys, as a table needs.
    assert len({tuple(one) for one in steps.values()}) == 1


def test_traced_values_show_values_and_a_profile() -> None:
    texts = Shown(traced()._repr_html_()).texts
    assert {"layer/product", "float[2,1]", "MatMul"} <= set(texts)


def test_a_graph_shows_its_summary() -> None:
    summary = graph().summary()
    assert {"layer/w", "Placeholder", "5 nodes, 3 parameters"} <= set(Shown(summary._repr_html_()).texts)
    assert [(one["role"], one["name"]) for one in summary.records()] == [
        ("input", "x"),
        ("output", "layer/product"),
        ("variable", "layer/w"),
    ]


def test_a_graph_draws_itself(tmp_path: Path) -> None:
    drawing = graph().draw(trace=traced().trace)
    (page,) = Shown(drawing._repr_html_()).frames
    assert page == drawing.html
    drawing.save(tmp_path / "g.svg")
    root = ElementTree.parse(tmp_path / "g.svg").getroot()
    assert "product" in "".join(root.itertext())
    near = graph().draw(around="x", depth=1, color="bytes")
    assert "init" not in near.svg


def test_text_from_a_graph_is_escaped() -> None:
    node = tfg.Node("a", "<script>", device="<u>&")
    assert "<u>&" not in draw_graph(tfg.Graph((node,)), color="device", title="</title>").html
    assert "<script>" not in tfg.Graph((node,)).summary()._repr_html_()


def test_wrong_requests() -> None:
    with pytest.raises(tfg.TfgError, match="none of kind, device, time, bytes"):
        graph().draw(color="taste")
    with pytest.raises(tfg.TfgError, match="no node called 'y'"):
        graph().draw(around="y")
    with pytest.raises(tfg.TfgError, match=r"must end in .svg or .html"):
        graph().draw().save("g.png")
