"""Large constants in a file beside a text graph."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import tfg

from ..cli.command import is_diagnostic, run_tfg

LARGE = {
    "f": np.arange(300, dtype=np.float32).reshape(3, 100),
    "b": np.arange(600).reshape(2, 300).astype(ml_dtypes.bfloat16),
    "c": np.arange(100, dtype=np.complex64),
    "i": np.arange(200, dtype=np.int64),
    "flags": np.arange(1000) % 3 == 0,
    "nan": np.array([np.nan, -0.0, np.inf] * 100, np.float64),
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    g = tfg.GraphBuilder()
    for name, value in LARGE.items():
        g.constant(value, name=f"scope/{name}")
    g.constant(np.float32(3), name="small")
    g.constant(np.zeros((1000, 1000), np.float32), name="repeated")
    g.constant(np.array([b"text" * 100], object), name="text")
    tfg.save(g.graph(), "model.pb")


def converted(*options: str) -> str:
    outcome = run_tfg("convert", "model.pb", "-o", "model.pbtxt", "--external-constants", "400", *options)
    assert outcome.status == 0, outcome.err
    return outcome.err


def test_a_graph_is_the_same_when_it_is_read_again() -> None:
    assert f"model.constants.npz: {len(LARGE)} constants" in converted()
    text = Path("model.pbtxt").read_text()
    assert len(text) < 4000
    assert set(np.load("model.constants.npz").files) == {f"scope/{name}" for name in LARGE}
    again, before = tfg.load("model.pbtxt"), tfg.load("model.pb")
    assert again.nodes == before.nodes
    fetches = [option for name in LARGE for option in ("--fetch", f"scope/{name}")]
    assert run_tfg("run", "model.pbtxt", *fetches).out == run_tfg("run", "model.pb", *fetches).out


def test_a_graph_without_large_constants_needs_no_file() -> None:
    assert run_tfg("convert", "model.pb", "-o", "m.pbtxt", "--external-constants", "1GiB").status == 0
    assert not Path("m.constants.npz").exists()
    assert tfg.load("m.pbtxt").nodes == tfg.load("model.pb").nodes


@pytest.mark.parametrize(
    ("old", "new", "status", "part"),
    [
        ("model.constants.npz", "../model.constants.npz", "INVALID_ARGUMENT", "in the folder of the graph"),
        ("model.constants.npz", "missing.npz", "NOT_FOUND", "missing.npz"),
        ('"scope/f"', '"scope/other"', "NOT_FOUND", "scope/other"),
        ("DT_FLOAT", "DT_INT32", "INVALID_ARGUMENT", "float32, not int32"),
    ],
)
def test_a_reference_that_does_not_fit_is_one_diagnostic(old: str, new: str, status: str, part: str) -> None:
    converted()
    text = Path("model.pbtxt").read_text()
    Path("model.pbtxt").write_text(text.replace(old, new, 1))
    outcome = run_tfg("show", "model.pbtxt")
    assert outcome.status == 1
    assert is_diagnostic(outcome, status, part)


def test_standard_input_has_no_folder() -> None:
    converted()
    outcome = run_tfg("show", "-", stdin=Path("model.pbtxt").read_text())
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", "standard input has no folder")


@pytest.mark.parametrize("output", ["-", "other.pb", "folder"])
def test_only_text_files_have_external_constants(output: str) -> None:
    outcome = run_tfg("convert", "model.pb", "-o", output, "--external-constants", "1kB")
    assert outcome.status == 2
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", "for a text file")
