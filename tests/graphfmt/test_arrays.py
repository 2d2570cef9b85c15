"""Arrays in files: what is written comes back, whatever its dtype."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import h5py
import ml_dtypes
import numpy as np
import pytest
import tfg
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from tfg.graphfmt import array_output, arrays

SHAPES = npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
NUMBERS = npst.arrays(
    npst.integer_dtypes()
    | npst.unsigned_integer_dtypes()
    | npst.floating_dtypes(sizes=(16, 32, 64))
    | npst.complex_number_dtypes(sizes=(64, 128))
    | npst.boolean_dtypes(),
    SHAPES,
)


@given(NUMBERS)
def test_npy_and_npz_give_back_what_they_took(tmp_path_factory: pytest.TempPathFactory, array: Any) -> None:
    folder = tmp_path_factory.mktemp("arrays")
    native = array.astype(array.dtype.newbyteorder("="))
    np.save(folder / "x.npy", array)
    array_output.save(folder / "x.npz", {"hidden/x": array})
    for found in (arrays.npy_array(folder / "x.npy"), arrays.npz_array(folder / "x.npz", "hidden/x")):
        assert found.dtype == native.dtype
        np.testing.assert_array_equal(found, native)


@given(NUMBERS)
def test_any_array_is_strict_json(array: Any) -> None:
    json.loads(json.dumps(arrays.jsonable(array), allow_nan=False))


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([math.nan, math.inf, -math.inf, 0.5]), ["NaN", "Infinity", "-Infinity", 0.5]),
        (np.array(1 - 2j), [1.0, -2.0]),
        (np.array([True, False]), [True, False]),
        (np.array(2**63, np.uint64), 2**63),
        (np.array([1.5, 2], ml_dtypes.bfloat16), [1.5, 2.0]),
        (np.array(["a", b"\xff"], object), ["a", "\\xff"]),
        (np.zeros((2, 0)), [[], []]),
    ],
)
def test_arrays_as_json(array: Any, expected: Any) -> None:
    assert arrays.jsonable(array) == expected


def test_bfloat16_comes_back_from_numpy(tmp_path: Path) -> None:
    array = np.array([1.5, -2], ml_dtypes.bfloat16)
    np.save(tmp_path / "x.npy", array)
    found = arrays.npy_array(tmp_path / "x.npy")
    assert (found.dtype, found.tolist()) == (array.dtype, array.tolist())


def test_names_that_numpy_and_hdf5_keep_apart(tmp_path: Path) -> None:
    values = {"a": np.ones(2), "a_1": np.zeros(3), "scope/b": np.array(3), "c:1": np.array([b"x"])}
    for suffix in (".npz", ".h5"):
        array_output.save(tmp_path / f"o{suffix}", values)
    assert sorted(arrays.npz_names(tmp_path / "o.npz")) == sorted(values)
    for name, value in values.items():
        np.testing.assert_array_equal(arrays.npz_array(tmp_path / "o.npz", name), value)
        np.testing.assert_array_equal(arrays.h5_array(tmp_path / "o.h5", name), value)


def test_hdf5_names_an_array_otherwise_whose_name_is_that_of_a_group(tmp_path: Path) -> None:
    assert array_output.h5_names(["a", "a/b", "a/b/c", "ab"]) == {
        "a": "a:0",
        "a/b": "a/b:0",
        "a/b/c": "a/b/c",
        "ab": "ab",
    }
    with pytest.raises(tfg.TfgError, match="both 'a' and 'a:0'"):
        array_output.check_output(tmp_path / "o.h5", ["a", "a/b", "a:0"])
    array_output.check_output(tmp_path / "o.npz", ["a", "a/b", "a:0"])
    array_output.check_output(tmp_path / "o.h5", ["a", "ab"])


def test_strings_of_hdf5_are_bytes(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["fixed"] = np.array([b"a", b"bc"])
        file["free"] = ["é", ""]
        file["one"] = "text"
    assert arrays.h5_array(tmp_path / "s.h5", "fixed").tolist() == [b"a", b"bc"]
    assert arrays.h5_array(tmp_path / "s.h5", "free").tolist() == ["é".encode(), b""]
    assert arrays.h5_array(tmp_path / "s.h5", "one").item() == b"text"


def test_a_failed_save_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "o.npz"
    array_output.save(path, {"a": np.ones(2)})

    def fails(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(array_output.npy_format, "write_array_header_1_0", fails)
    with pytest.raises(tfg.TfgError) as caught:
        array_output.save(path, {"a": np.zeros(3)})
    assert caught.value.status == "RESOURCE_EXHAUSTED"
    assert arrays.npz_array(path, "a").tolist() == [1, 1]
    assert [p.name for p in tmp_path.iterdir()] == ["o.npz"]


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    for start in (b"", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x02\x00"):
        with pytest.raises(tfg.TfgError):
            arrays.npy_bytes(start + data, "x")
