"""A state that has everything, and what tests ask of state files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tfg
from tfg.graphfmt.checkpoints.hdf5 import state_file
from tfg.graphfmt.checkpoints.hdf5.state_file import SavedState


def strings(*texts: bytes) -> Any:
    array = np.empty(len(texts), object)
    array[:] = texts
    return array


STATE = SavedState(
    {
        ("", "Variable", "w"): {"value": np.arange(6, dtype=np.float32).reshape(2, 3)},
        ("", "Variable", "hidden/w"): {"value": np.array(3, np.int64)},
        ("", "Variable", "hidden"): {"value": np.zeros((0, 4), bool)},
        ("", "Variable", "flags"): {"value": np.array([True, False])},
        ("box", "Variable", "w"): {"value": np.array([1.5, -2], ml_dtypes.bfloat16)},
        ("box/..", "Variable", "../."): {"value": np.array([1 + 2j], np.complex64)},
        ("", "Queue", "q"): {"0": strings(b"", b"a\x00\xff", "é".encode()), "1": np.zeros(3, np.float16)},
        ("", "Table", "none"): {},
        ("", "Table", "texts"): {
            "keys": np.array(b"one", object),
            "two": strings().reshape(0, 2),
            "zeros": strings(b"a\0", b""),
        },
        ("", "Table", "small"): {"f8": np.array([1, 2], ml_dtypes.float8_e5m2)},
    },
    {"step": 7, "feeds": {"epoch": 1}},
)


def variables(**arrays: Any) -> SavedState:
    return SavedState(
        {("", "Variable", name): {"value": np.asarray(array)} for name, array in arrays.items()}
    )


def same(a: SavedState, b: SavedState) -> bool:
    assert a.notes == b.notes
    assert set(a.resources) == set(b.resources)
    for key, arrays in a.resources.items():
        assert set(arrays) == set(b.resources[key])
        for name, array in arrays.items():
            other = b.resources[key][name]
            assert (array.dtype, array.shape) == (other.dtype, other.shape)
            assert array.tolist() == other.tolist()
    return True


def refused(path: Path, status: str = "DATA_LOSS") -> str:
    with pytest.raises(tfg.TfgError) as caught:
        state_file.read(path)
    assert caught.value.status == status, caught.value
    assert str(path) in caught.value.message
    return caught.value.message
