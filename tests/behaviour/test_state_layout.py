"""State files as other programs read them: each variable under its own name, with attributes."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tfg.graphfmt.checkpoints.entries import Slice, StoredTensor
from tfg.graphfmt.checkpoints.hdf5 import paths, state_file
from tfg.graphfmt.checkpoints.hdf5.paths import Origin
from tfg.graphfmt.checkpoints.hdf5.state_file import SavedState

from ..graphfmt.checkpoints.states import STATE, same, strings, variables


def written(path: Path, state: SavedState) -> h5py.File:
    state_file.write(path / "s.h5", state)
    return h5py.File(path / "s.h5")


def test_a_variable_stands_under_its_own_name(tmp_path: Path) -> None:
    w = np.arange(6, dtype=np.float32).reshape(2, 3)
    with written(tmp_path, variables(**{"hidden/w": w, "hidden/w/Adam": w + 1, "b": np.float64(2)})) as file:
        np.testing.assert_array_equal(file["hidden/w"][()], w)
        # A dataset is no folder, so what is within another's name stands beside it.
        np.testing.assert_array_equal(file["hidden/w:Adam"][()], w + 1)
        assert file["b"][()] == 2
        attributes = dict(file["hidden/w:Adam"].attrs)
        assert attributes.pop("shape").tolist() == [2, 3]
        assert attributes.pop("checksum") > 0
        assert attributes == {"name": "hidden/w/Adam", "kind": "Variable", "dtype": "float"}


def test_every_dtype_is_one_that_a_notebook_reads(tmp_path: Path) -> None:
    state = variables(
        bools=[True, False],
        numbers=np.array([1 + 2j], np.complex64),
        halves=np.array([1.5], np.float16),
        brains=np.array([1.5], ml_dtypes.bfloat16),
        texts=strings(b"one", "é".encode(), b""),
        zeros=strings(b"ends in\0"),
        nothing=np.zeros((0, 3), np.int32),
    )
    with written(tmp_path, state) as file:
        assert file["bools"].dtype == bool
        assert file["numbers"][()].tolist() == [1 + 2j]
        assert file["halves"][()].tolist() == [1.5]
        assert file["brains"].attrs["encoding"] == "bfloat16 bits"
        assert file["brains"][()].view(ml_dtypes.bfloat16).tolist() == [1.5]
        assert file["texts"][()].tolist() == [b"one", "é".encode(), b""]
        assert file["zeros"].attrs["encoding"].startswith("strings: their count")
        assert file["zeros"][()].tobytes() == np.array([1, 8]).tobytes() + b"ends in\0"
        assert file["nothing"].shape == (0, 3)


@pytest.mark.parametrize("compress", [False, True])
def test_large_tensors_are_chunked_and_compressed_as_hdf5_knows_it(tmp_path: Path, compress: bool) -> None:
    w = np.random.default_rng(0).integers(0, 9, (1030, 3, 800))
    state_file.write(tmp_path / "s.h5", variables(w=w), compress=compress)
    with h5py.File(tmp_path / "s.h5") as file:
        assert file["w"].chunks is not None
        assert (file["w"].compression, file["w"].shuffle) == (("gzip", True) if compress else (None, False))
        assert file["w"].attrs["checksum"].shape == (file["w"].id.get_num_chunks(),)
        np.testing.assert_array_equal(file["w"][()], w)
        assert (file.id.get_filesize() < 0.3 * w.nbytes) == compress


def test_floats_kept_in_16_bits_say_what_they_were(tmp_path: Path) -> None:
    state_file.write(tmp_path / "s.h5", variables(w=np.ones(3, np.float32)), as_dtype="half")
    with h5py.File(tmp_path / "s.h5") as file:
        assert file["w"].dtype == np.float16
        assert (file["w"].attrs["dtype"], file["w"].attrs["encoding"]) == ("float", "half")


def test_slices_say_where_they_belong(tmp_path: Path) -> None:
    part = StoredTensor("w", np.ones((2, 3)), Slice((1, 0), (2, -1)), (9, 3))
    state_file.write_tensors(tmp_path / "s.h5", [part])
    with h5py.File(tmp_path / "s.h5") as file:
        assert file["w:1,2:-"].attrs["slice"] == "1,2:-"
        assert file["w:1,2:-"].attrs["full_shape"].tolist() == [9, 3]


def test_other_resources_and_containers_stand_apart(tmp_path: Path) -> None:
    with written(tmp_path, STATE) as file:
        assert sorted(file) == [
            ":Queue",
            ":Table",
            ":Variable",
            ":checkpoint",
            ":commit",
            "flags",
            "hidden",
            "hidden:w",
            "w",
        ]
        assert file[":Variable/:box/w"].attrs["container"] == "box"
        assert file[":Queue/q:1"].attrs["field"] == "1"
        assert file[":checkpoint"][()].startswith(b"tfg checkpoint, format 2; ")
        record = json.loads(file[":commit"][()])
        assert {d["path"]: d["name"] for d in record["datasets"]}["/hidden:w"] == "hidden/w"
        assert record["notes"] == STATE.notes


@given(st.lists(st.text(st.sampled_from("ab/:.%\0é2\ud800"), max_size=6), unique=True))
@example(["a", "a/b", "a:b", "a/b/c", "a:b/c", "a:b:2", "a//b", "/a", "a/", ".", "..", "", "%.%"])
def test_every_name_has_a_path_of_its_own(names: list[str]) -> None:
    origins = [Origin("", "Variable", name) for name in names]
    origins += [Origin(name, "Queue", name, name) for name in names]
    found = paths.dataset_paths(origins)
    assert set(found) == set(origins)
    assert len(set(found.values())) == len(origins)
    parts = [tuple(path[1:].split("/")) for path in found.values()]
    folders = {path[:end] for path in parts for end in range(1, len(path))}
    assert not folders & set(parts)
    assert not {"", ".", ".."} & {part for path in parts for part in path}
    assert not any("\0" in path for path in found.values())


@pytest.mark.parametrize(
    "names",
    [["a", "a/b", "a:b", "é", "a//b", "/", ".", "..", "", "\0", "\ud800"], ["x/" * 3000, "n" * 100_000]],
)
def test_any_names_can_be_kept(tmp_path: Path, names: list[str]) -> None:
    state = SavedState({("", "Variable", name): {"value": np.array(i)} for i, name in enumerate(names)})
    with written(tmp_path, state):
        assert same(state_file.read(tmp_path / "s.h5"), state)
