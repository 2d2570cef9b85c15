"""Opening checkpoints by whatever name a user gives."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tfg.graphfmt.checkpoints.entries import StoredTensor
from tfg.graphfmt.checkpoints.open import open_checkpoint, write_checkpoint
from tfg.graphfmt.errors import Status, TfgError

from .test_bundle import DATA


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two checkpoints of a training, the latest named as TensorFlow does."""
    for step in (1, 2):
        write_checkpoint(tmp_path / f"model-{step}", [StoredTensor("step", np.array(step))])
    (tmp_path / "checkpoint").write_text(
        'all_model_checkpoint_paths: "model-1"\nmodel_checkpoint_path: "model-2"\n'
    )
    return tmp_path


def step_in(path: Path) -> int:
    with open_checkpoint(path) as reader:
        return int(reader.read("step"))


@pytest.mark.parametrize("name", ["model-1", "model-1.index", "model-1.data-00000-of-00001"])
def test_a_bundle_has_several_names(folder: Path, name: str) -> None:
    assert step_in(folder / name) == 1


def test_a_folder_stands_for_its_latest_checkpoint(folder: Path) -> None:
    assert step_in(folder) == 2


def test_a_folder_may_be_named_from_where_one_stands(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert step_in(Path(folder.name)) == 2


def test_a_folder_may_have_moved_since(folder: Path) -> None:
    (folder / "checkpoint").write_text(r'model_checkpoint_path: "/tmp/b\145fore/model-1"')
    assert step_in(folder) == 1


def test_a_saved_model_has_its_variables_inside(folder: Path) -> None:
    write_checkpoint(folder / "variables" / "variables", [StoredTensor("step", np.array(7))])
    assert step_in(folder) == 7
    assert step_in(folder / "variables") == 7


@pytest.mark.parametrize("text", ["", "model_checkpoint_path: 5", r'model_checkpoint_path: "\q"'])
def test_a_folder_whose_state_names_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "checkpoint").write_text(text)
    with pytest.raises(TfgError, match="names no checkpoint") as caught:
        open_checkpoint(tmp_path)
    assert caught.value.status is Status.DATA_LOSS


def test_tables_of_the_first_version(tmp_path: Path) -> None:
    shutil.copy(DATA / "v1.ckpt", tmp_path / "m.ckpt-00000-of-00001")
    for name in ("m.ckpt", "m.ckpt-00000-of-00001", "m.ckpt-?????-of-00001"):
        with open_checkpoint(tmp_path / name) as reader:
            assert reader.path == str(tmp_path / name)
            assert reader.read("i").sum() == 15
    shutil.copy(DATA / "v1.ckpt", tmp_path / "n.ckpt-00001-of-00003")
    with pytest.raises(TfgError, match=r"n.ckpt has only 1 of its 3 files") as caught:
        open_checkpoint(tmp_path / "n.ckpt")
    assert caught.value.status is Status.NOT_FOUND


def test_the_name_says_the_format(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "c.h5", [StoredTensor("step", np.array(3))])
    shutil.copy(tmp_path / "c.h5", tmp_path / "renamed")
    assert step_in(tmp_path / "c.h5") == 3
    assert step_in(tmp_path / "renamed") == 3


def test_what_is_not_there_has_a_hint(folder: Path) -> None:
    for name, hint in (("model-22", "model-2"), ("modle-1", "model-1")):
        with pytest.raises(TfgError, match="there is no checkpoint") as caught:
            open_checkpoint(folder / name)
        assert caught.value.status is Status.NOT_FOUND
        assert caught.value.hint == f"did you mean {str(folder / hint)!r}?"
    with pytest.raises(TfgError, match="there is no checkpoint") as caught:
        open_checkpoint(folder / "no" / "such")
    assert caught.value.hint is None


def test_other_files_are_no_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello " * 50)
    (tmp_path / "empty").write_text("")
    for name in ("text", "empty"):
        with pytest.raises(TfgError) as caught:
            open_checkpoint(tmp_path / name)
        assert caught.value.status is Status.DATA_LOSS


def test_the_only_checkpoint_of_a_folder_needs_no_list(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "model-7", [StoredTensor("w", np.float32(7))])
    with open_checkpoint(tmp_path) as reader:
        assert reader.read("w") == 7
    write_checkpoint(tmp_path / "model-8", [StoredTensor("w", np.float32(8))])
    with pytest.raises(TfgError):
        open_checkpoint(tmp_path)
