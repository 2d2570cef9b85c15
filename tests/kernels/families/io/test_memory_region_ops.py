"""Constants in files, mapped into memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfg


def constant(path: Path, dtype: str, shape: Any) -> Any:
    g = tfg.GraphBuilder()
    g.ImmutableConst(dtype=dtype, shape=shape, memory_region_name=str(path), name="c")
    with tfg.Session(g.graph()) as session:
        return session.run(["c"])[0]


@pytest.fixture
def region(tmp_path: Path) -> Path:
    (tmp_path / "region").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    return tmp_path / "region"


@pytest.mark.parametrize("shape", [[4], [2, 2], [3], [0], []])
def test_a_file_holds_at_least_the_tensor(region: Path, shape: list[int]) -> None:
    expected = np.arange(4, dtype=np.float32)[: int(np.prod(shape))].reshape(shape)
    np.testing.assert_array_equal(constant(region, "float", shape), expected)


def test_other_dtypes_and_missing_bytes(region: Path) -> None:
    assert constant(region, "int16", [8]).tolist() == [0, 0, 0, 16256, 0, 16384, 0, 16448]
    with pytest.raises(tfg.TfgError, match=r"INTERNAL.*wrong length \(16\) when allocating 20"):
        constant(region, "float", [5])
    with pytest.raises(tfg.TfgError, match="INTERNAL"):
        constant(region, "float", [1 << 40, 1 << 20])
    with pytest.raises(tfg.TfgError, match="UNIMPLEMENTED"):
        constant(region, "string", [1])
    with pytest.raises(tfg.TfgError, match="NOT_FOUND"):
        constant(region.with_name("none"), "float", [1])


def test_an_empty_file_holds_an_empty_tensor(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert constant(tmp_path / "empty", "double", [0, 3]).shape == (0, 3)
    with pytest.raises(tfg.TfgError, match="INTERNAL"):
        constant(tmp_path / "empty", "double", [1])
