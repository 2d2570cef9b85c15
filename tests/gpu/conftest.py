"""The arrays that these tests run on: a stand-in for CuPy everywhere, and CuPy itself where there is a GPU."""

from __future__ import annotations

from typing import Any

import pytest

from ..fake_gpu import cupy as fake


def _has_gpu() -> bool:
    try:
        import cupy  # pyright: ignore[reportMissingImports]

        return cupy.cuda.runtime.getDeviceCount() > 0
    except Exception:
        return False


HAS_GPU = _has_gpu()


@pytest.fixture(params=["fake", "cupy"] if HAS_GPU else ["fake"])
def xp(request: pytest.FixtureRequest) -> Any:
    if request.param == "fake":
        return fake
    import cupy  # pyright: ignore[reportMissingImports]

    return cupy
