"""The file in which a folder's latest checkpoint is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import tfg
from tfg.graphfmt.checkpoints.latest import read_latest, record_latest


def test_a_folder_remembers_its_checkpoints_and_which_is_the_latest(tmp_path: Path) -> None:
    for name in ("m-1", 'm "2"', "m-1"):
        record_latest(tmp_path / name, lambda path: True)
        assert read_latest(tmp_path / "checkpoint") == name
    assert (tmp_path / "checkpoint").read_text() == (
        'model_checkpoint_path: "m-1"\nall_model_checkpoint_paths: "m \\"2\\""\nall_model_checkpoint_paths: "m-1"\n'
    )


def test_checkpoints_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    for name in ("m-1", "m-2", "m-3"):
        record_latest(tmp_path / name, lambda path: path.name != "m-1")
    assert "m-1" not in (tmp_path / "checkpoint").read_text()
    assert "m-2" in (tmp_path / "checkpoint").read_text()


@pytest.mark.parametrize(
    "text", ["", "nothing", 'model_checkpoint_path: ""', 'model_checkpoint_path: "\\xzz"']
)
def test_a_file_that_names_no_checkpoint(tmp_path: Path, text: str) -> None:
    (tmp_path / "checkpoint").write_text(text)
    with pytest.raises(tfg.TfgError, match="DATA_LOSS"):
        read_latest(tmp_path / "checkpoint")
