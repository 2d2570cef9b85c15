"""``tfg draw``: drawings of graphs by scopes, which open in a browser."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
import tfg

from .command import Outcome, is_diagnostic, run_tfg

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 4], name="x")
    w = g.constant([[1.0], [2.0], [3.0], [4.0]], name="layer/w")
    g.Relu(g.MatMul(x, w, name="layer/product"), name="layer/out")
    tfg.save(g.graph(), "graph.pbtxt")


def draw(*options: str) -> Outcome:
    outcome = run_tfg("draw", "graph.pbtxt", *options)
    assert outcome.status == 0, outcome.err
    return outcome


def texts(path: str) -> list[str]:
    root = ElementTree.parse(path).getroot()
    return ["".join(one.itertext()) for one in root.iter("{http://www.w3.org/2000/svg}text")]


def test_a_picture_has_scopes_nodes_and_shapes() -> None:
    draw("-o", "g.svg")
    found = texts("g.svg")
    assert {"layer (3)", "product", "MatMul", "float[?,4]", "float[4,1]"} <= set(found)


def test_scopes_fold_to_few_boxes() -> None:
    outcome = draw("-o", "g.svg", "--boxes", "2", "--json")
    assert outcome.json["boxes"] == 2
    assert outcome.json["nodes"] == 4
    assert "product" not in texts("g.svg")


def test_only_what_is_around_a_node() -> None:
    draw("-o", "g.svg", "--around", "x", "--depth", "1")
    found = texts("g.svg")
    assert "product" in found
    assert "w" not in found


def test_times_of_a_trace_are_colours() -> None:
    run_tfg("run", "graph.pbtxt", "--feed", "x=ones:2,4", "--fetch", "layer/out", "--trace", "t.json")
    draw("-o", "g.svg", "--trace", "t.json")
    opacities = re.findall(r'fill-opacity="([0-9.]+)"', Path("g.svg").read_text())
    assert len(set(opacities)) > 2
    assert "a step took" in Path("g.svg").read_text()


def test_colours_by_device_name_devices() -> None:
    draw("-o", "g.svg", "--color", "device")
    assert "no device" in texts("g.svg")


def test_a_trace_of_another_graph_is_refused() -> None:
    g = tfg.GraphBuilder()
    g.Neg(g.constant(1.0, name="one"), name="other")
    tfg.save(g.graph(), "other.pbtxt")
    run_tfg("run", "other.pbtxt", "--fetch", "other", "--trace", "t.json", "--no-optimize")
    outcome = run_tfg("draw", "graph.pbtxt", "-o", "g.svg", "--trace", "t.json")
    assert outcome.status == 1
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", "t.json", "another graph")


@pytest.mark.parametrize(
    ("options", "status", "part"),
    [
        (("-o", "g.png"), 2, "must end in .svg or .html"),
        (("-o", "g.svg", "--depth", "3"), 2, "--depth needs --around"),
        (("-o", "g.svg", "--color", "time"), 2, "--color time needs --trace"),
        (("-o", "g.svg", "--around", "nothing"), 1, "no node called 'nothing'"),
        (("-o", "missing/g.svg"), 1, "missing"),
        (("-o", "g.svg", "--trace", "missing.json"), 1, "missing.json"),
    ],
)
def test_faults_are_one_diagnostic(options: tuple[str, ...], status: int, part: str) -> None:
    outcome = run_tfg("draw", "graph.pbtxt", *options)
    assert outcome.status == status
    assert part in outcome.err
    assert outcome.err.count("error[") == 1


def chain(count: int, scopes: int, path: str) -> None:
    g = tfg.GraphBuilder()
    last = g.placeholder("float", [None, 4], name="x")
    for number in range(count):
        scope = f"block{number * scopes // count}/" if scopes else ""
        last = g.Neg(last, name=f"{scope}node{number}")
    tfg.save(g.graph(), path)


def test_five_thousand_nodes_are_drawn_in_three_seconds() -> None:
    chain(5000, 50, "large.pb")
    begun = time.monotonic()
    outcome = run_tfg("draw", "large.pb", "-o", "large.html")
    assert outcome.status == 0, outcome.err
    assert time.monotonic() - begun < 3


def opened(page: str, click: str = "") -> str:
    """Returns the document of a page after its scripts."""
    if click:
        event = 'new MouseEvent("click", {bubbles: true})'
        script = f'<script>document.querySelector("{click}").dispatchEvent({event})</script>'
        Path(page).write_text(Path(page).read_text().replace("</body>", f"{script}</body>"))
    assert BROWSER is not None
    profile = f"--user-data-dir={Path('profile').absolute()}"
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", profile, "--dump-dom", f"file://{Path(page).absolute()}"],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_a_browser_shows_five_thousand_boxes() -> None:
    chain(5000, 0, "flat.pb")
    assert run_tfg("draw", "flat.pb", "-o", "flat.html").status == 0
    document = opened("flat.html")
    assert 'data-boxes="5001"' in document
    assert "node4999" in document


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_a_click_opens_a_scope() -> None:
    draw("-o", "g.html", "--boxes", "2")
    assert 'data-boxes="2"' in opened("g.html")
    assert 'data-boxes="5"' in opened("g.html", click="[data-scope]")
