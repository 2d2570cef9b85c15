"""``tfg run --fetch PATTERN``."""

from __future__ import annotations

from pathlib import Path

import pytest
import tfg

from .command import is_diagnostic, run_tfg


def test_patterns_of_fetches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [], name="h/x")
    y = g.Neg(x, name="h/y")
    taken = g.Switch(y, g.placeholder("bool", [], name="h/c"), name="h/switch")[1]
    g.Abs(taken, name="h/branch")
    g.Split(0, g.constant([1.0, 2.0]), num_split=2, name="h/parts")
    tfg.save(g.graph(), "g.pbtxt")
    outcome = run_tfg("run", "g.pbtxt", "--feed", "h/x=3", "--fetch", "h/*", "--fetch", "h/y")
    assert outcome.status == 0, outcome.err
    assert [line.split()[0] for line in outcome.out.splitlines() if " = " in line] == [
        "h/y",
        "h/parts",
        "h/parts:1",
    ]
    assert is_diagnostic(run_tfg("run", "g.pbtxt", "--fetch", "k*"), "NOT_FOUND", "'k*'")


@pytest.fixture(name="layers")
def _layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [2, 2], name="x")
    hidden = g.Relu(g.MatMul(x, x, name="hidden/product"), name="hidden")
    g.MatMul(hidden, x, name="out")
    g.Neg(g.placeholder("float", [], name="other"), name="elsewhere")
    tfg.save(g.graph(), "layers.pbtxt")


FEED = ("--feed", "x=[[1,2],[3,4]]", "--json")


@pytest.mark.usefixtures("layers")
@pytest.mark.parametrize(
    ("options", "names"),
    [
        (("--fetch-all",), ["hidden/product", "hidden", "out"]),
        (("--fetch-kind", "MatMul"), ["hidden/product", "out"]),
        (("--fetch-kind", "MatMul", "--fetch-kind", "Relu"), ["hidden/product", "hidden", "out"]),
        (("--fetch", "hidden", "--fetch-all"), ["hidden", "hidden/product"]),
        (("--target", "hidden/product", "--fetch-all"), ["hidden/product"]),
    ],
)
def test_everything_or_a_kind_is_fetched(options: tuple[str, ...], names: list[str]) -> None:
    assert list(run_tfg("run", "layers.pbtxt", *FEED, *options).json["values"]) == names


@pytest.mark.usefixtures("layers")
def test_an_hdf5_file_holds_nodes_named_like_scopes() -> None:
    assert run_tfg("run", "layers.pbtxt", *FEED, "--fetch-all", "-o", "all.h5").status == 0
    again = run_tfg(
        "run", "layers.pbtxt", "--feed", "x=@all.h5[hidden]", "--fetch", "hidden/product", "--json"
    )
    assert again.json["values"]["hidden/product"]["value"] == [[199, 290], [435, 634]]


@pytest.mark.usefixtures("layers")
def test_a_kind_that_no_value_has_is_not_found() -> None:
    outcome = run_tfg("run", "layers.pbtxt", *FEED, "--fetch-kind", "Conv2D")
    assert outcome.status == 1
    assert is_diagnostic(outcome, "NOT_FOUND", "Conv2D")
