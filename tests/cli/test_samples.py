"""``tfg samples``: listing and copying the sample graphs."""

from __future__ import annotations

from pathlib import Path

from .command import is_diagnostic, run_tfg

SAMPLES = Path(__file__).parents[2] / "samples"


def test_the_samples_are_listed() -> None:
    outcome = run_tfg("samples")
    assert outcome.status == 0
    for folder in ("digits", "parallel", "rnn"):
        assert f"{folder} " in outcome.out
    assert "mlp.pbtxt" in outcome.out


def test_copies_equal_the_samples_and_nothing_is_overwritten(tmp_path: Path) -> None:
    assert run_tfg("samples", tmp_path / "a" / "b").status == 0
    copies = [path for path in (tmp_path / "a" / "b").rglob("*") if path.is_file()]
    assert len(copies) > 10
    for copy in copies:
        assert copy.read_bytes() == (SAMPLES / copy.relative_to(tmp_path / "a" / "b")).read_bytes()
    assert is_diagnostic(run_tfg("samples", tmp_path / "a" / "b"), "ALREADY_EXISTS", "name a new folder")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert is_diagnostic(
        run_tfg("samples", tmp_path / "file" / "x"), "FAILED_PRECONDITION", "cannot be written"
    )
