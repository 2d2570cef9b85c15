"""HDF5 files of other programs: read as h5py reads them, or refused with one error, whatever the file."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tfg.graphfmt.arrays import h5_array
from tfg.graphfmt.errors import Status, TfgError

HOSTILE = Path(__file__).parents[1] / "cases" / "hostile"
KINDS = ("?", "i1", "u1", "i2", "<i4", ">i4", "u8", "f2", "<f4", ">f8", "c8", "c16", "S3")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (2, 3)},
        {"chunks": (4, 4), "compression": "gzip", "shuffle": True},
        {"compression": "lzf"},
    ],
    ids=["contiguous", "chunked", "gzip", "lzf"],
)
def test_every_dtype_and_layout(kind: str, options: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    values = np.arange(35).reshape(5, 7).astype(kind)
    with h5py.File(path, "w") as file:
        file.create_dataset("group/x", data=values, **options)
    array = h5_array(path, "group/x")
    assert array.dtype == (object if kind == "S3" else np.dtype(kind).newbyteorder("="))
    assert array.tolist() == values.tolist()


def test_scalars_empty_tensors_and_texts(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["number"], file["empty"], file["text"] = 2.5, np.zeros((0, 3), np.int32), "é"
        file["texts"] = np.array([["a", ""], ["bc", "é"]], object)
    assert h5_array(path, "number").tolist() == 2.5
    assert h5_array(path, "empty").shape == (0, 3)
    assert h5_array(path, "text").item() == "é".encode()
    assert h5_array(path, "/texts").tolist() == [[b"a", b""], [b"bc", "é".encode()]]


def refused(path: Path, key: str | None = None) -> TfgError:
    with pytest.raises(TfgError) as caught:
        h5_array(path, key)
    return caught.value


def test_no_tensor_and_no_such_dataset(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["pair"] = np.zeros(2, [("a", "f4"), ("b", "i4")])
        file["empty"] = h5py.Empty("f4")
        file["outside"] = h5py.ExternalLink("other.h5", "x")
        file.create_dataset("rows", (2,), h5py.vlen_dtype(np.int32))
    for name in ("pair", "empty", "rows"):
        assert f"dataset '{name}' is not a tensor" in refused(path, name).message
    assert refused(path, "outside").status == Status.NOT_FOUND
    assert refused(path, "piar").hint == "did you mean 'pair'?"
    assert "holds several arrays" in refused(path).message


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.h5")
    assert refused(tmp_path / "pipe.h5").status == Status.FAILED_PRECONDITION
    assert refused(tmp_path / "no.h5").status == Status.NOT_FOUND
    assert refused(tmp_path).status == Status.FAILED_PRECONDITION
    (tmp_path / "text.h5").write_text("text")
    assert "cannot be read as HDF5" in refused(tmp_path / "text.h5").message


@pytest.mark.parametrize("name", ["k17_segfault_feed.h5", "h07_damaged_feed.h5"])
def test_a_file_on_which_hdf5_crashes_or_never_returns(name: str) -> None:
    begin = time.monotonic()
    error = refused(HOSTILE / name)
    assert (error.status, time.monotonic() - begin < 10) == (Status.DATA_LOSS, True)
    assert "is damaged: HDF5" in error.message


def test_a_claim_on_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (1 << 40,), "f8", chunks=(1 << 20,))
    assert refused(path).status == Status.RESOURCE_EXHAUSTED


def test_a_flipped_byte_anywhere_is_an_array_or_an_error(tmp_path: Path) -> None:
    path, random = tmp_path / "x.h5", np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file.create_dataset("a/x", data=np.arange(100.0).reshape(10, 10), chunks=(5, 5), compression="gzip")
        file["s"] = ["a", "b"]
    whole = path.read_bytes()
    for place in random.integers(0, len(whole), 25):
        damaged = bytearray(whole)
        damaged[place] ^= int(random.integers(1, 256))
        path.write_bytes(damaged)
        try:
            h5_array(path, "a/x")
        except TfgError as error:
            assert error.status != Status.INTERNAL
