"""Recorded arrays: stored without loss, and shown truly by the texts beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tfg.graphfmt import dtypes

from . import golden
from .kernels.families.random import test_random_streams
from .runtime.passes.optimizers import training

# Binaries of named arrays; those of the families' tables have a test beside the tables.
BINARIES = (test_random_streams.GOLDEN, training.GOLDEN)


@pytest.mark.parametrize("path", BINARIES, ids=lambda path: path.stem)
def test_the_text_says_what_the_binary_holds(path: Path) -> None:
    assert golden.text_path(path).read_text(encoding="utf-8") == golden.plain_text(golden.load(path))


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6.0).reshape(2, 3),
        np.array([1.5, -2]).astype(dtypes.BY_NAME["bfloat16"].numpy),
        np.array([b"a\0", b""], object),
        np.zeros((0, 2), np.int32),
        None,
    ],
    ids=["double", "bfloat16", "string", "empty", "none"],
)
def test_an_array_comes_back_as_it_was_stored(value: Any, tmp_path: Path) -> None:
    store: dict[str, Any] = {}
    golden.pack(store, "x", [value])
    golden.save(tmp_path / "g.npz", store, "")
    (back,) = golden.unpack_series(golden.load(tmp_path / "g.npz"), "x")
    if value is None:
        assert back is None
        return
    assert back.dtype == value.dtype
    np.testing.assert_array_equal(back, value)


def test_a_text_shows_the_first_values_and_a_checksum_of_all() -> None:
    first, second = np.arange(9, dtype=np.int32), np.array([*range(8), 99], np.int32)
    assert golden.describe(first).startswith("int32 · [9] · 0 1 2 3 4 5 … · ")
    assert golden.describe(first) != golden.describe(second)
    assert golden.describe(np.array([b"x"], object)).startswith("string · [1] · b'x' · ")
    assert golden.describe(None) == "none"
