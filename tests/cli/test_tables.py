"""Tables: their widths, and what commands show on terminals of several widths."""

from __future__ import annotations

from pathlib import Path

import pytest
from tfg.cli.common.tables import column_widths, paragraph

from .command import run_tfg
from .terminal import on_terminal, plain_lines

DIGITS = Path(__file__).parents[2] / "samples" / "digits"
WIDTHS = (40, 80, 200)


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        (30, [4, 3, 17]),
        (24, [4, 3, 17]),
        (20, [4, 3, 13]),
        (12, [4, 3, 5]),
        (11, None),
    ],
)
def test_a_column_wraps_between_words_alone(room: int, expected: list[int] | None) -> None:
    assert column_widths([("name", "b"), ("n", "100"), ("", "a b c d wrapp ing")], room) == expected


def test_a_number_stays_with_its_unit() -> None:
    assert column_widths([("peak memory", "41.3 MB", "3 µs")], 7) == [7]
    assert column_widths([("peak memory", "41.3 MB")], 6) is None
    assert column_widths([("10 of 10",)], 2) == [2]


def test_a_row_that_is_too_wide_is_a_paragraph() -> None:
    header = ("name", "type", "bytes", "note")
    assert paragraph(("a/long/name", "float[2]", "8 B", ""), header, 30) == [
        "a/long/name",
        "  type float[2]  bytes 8 B",
    ]
    assert paragraph(("a", "float[2]", "8 B", "x"), header, 16) == [
        "a",
        "  type float[2]",
        "  bytes 8 B",
        "  note x",
    ]
    assert paragraph(("name", "Op"), ("", ""), 20) == ["name  Op"]
    assert paragraph(("long/name", "Operation"), ("", ""), 12) == ["long/name", "  Operation"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a training graph, an optimized one, two states, and a table of wide names."""
    folder = tmp_path_factory.mktemp("terminal")
    mlp, train = DIGITS / "mlp.pbtxt", folder / "train.pbtxt"
    feeds = ["--feed", f"x=@{DIGITS}/digits.npz[x_train]", "--feed", f"y=@{DIGITS}/digits.npz[y_train]"]
    steps = ["run", train, "--init", "init", "--target", "train", *feeds, "--batch", "64"]
    for line in (
        ["grad", mlp, "--loss", "loss", "--optimizer", "adam", "-o", train],
        [*steps, "--steps", "2", "--state", folder / "a.h5"],
        [*steps, "--steps", "3", "--state", folder / "b.h5"],
        ["optimize", mlp, "--fetch", "accuracy", "-o", folder / "opt.pb"],
    ):
        outcome = run_tfg(*line)
        assert outcome.status == 0, outcome.err
    return folder


def words(lines: list[str]) -> set[str]:
    return {word for line in lines for word in line.split()}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "line",
    [
        "show DIGITS/mlp.pbtxt",
        "checkpoint list a.h5",
        "checkpoint list a.h5 b.h5",
        "checkpoint diff a.h5 b.h5",
        "diff DIGITS/mlp.pbtxt opt.pb",
        "place train.pbtxt --devices cpu:2 --algorithm all --explain loss",
        "run DIGITS/mlp.pbtxt --fetch missing --init init",
        "help",
        "samples",
    ],
)
def test_no_word_is_cut(line: str, width: int, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)
    (files / "DIGITS").unlink(missing_ok=True)
    (files / "DIGITS").symlink_to(DIGITS)
    shown = list(plain_lines(on_terminal(*line.split(), width=width)))
    elsewhere = run_tfg(*line.split())
    expected = words((elsewhere.out + elsewhere.err).splitlines())
    # The title of the first column is not shown where rows are paragraphs.
    assert expected - words(shown) <= {"tensor", "file", "algorithm", "device"}
    assert words(shown) <= expected
    # The command of ``show`` is left for the terminal to wrap, so that it can be copied.
    wide = [one for one in shown if len(one) > width and len(one.split()) > 1 and "tfg run" not in one]
    assert all(len(max(one.split(), key=len)) > width // 2 for one in wide), wide


def test_times_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DIGITS)
    line = ["bench", "mlp.pbtxt", "--init", "init", "--batch", "1,8", "--steps", "3"]
    lines = plain_lines(on_terminal(*line, width=100))
    (header,) = (one for one in lines if one.startswith("graph"))
    assert " ".join(header.split()) == "graph batch threads first p50 p90 p99 per second peak memory"
    lines = plain_lines(on_terminal(*line, width=40))
    assert any(one.startswith("  batch 8  threads 1") for one in lines)
    assert all(len(one) <= 40 or " " not in one for one in lines)


def test_markup_in_names_is_shown_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "g.pbtxt"
    path.write_text('node { name: "a" op: "[bold]Op[/bold]" } node { name: "b" op: ":smile:" }')
    other = tmp_path / "h.pbtxt"
    other.write_text('node { name: "c" op: "NoOp" }')
    shown = "\n".join(plain_lines(on_terminal("diff", path, other, width=60)))
    assert "a  [bold]Op[/bold]" in shown
    assert "b  :smile:" in shown
