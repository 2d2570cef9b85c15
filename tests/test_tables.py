"""What must hold for the tables of all families, and for what is recorded for them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests import golden

from .kernels.harness import families, golden_path, golden_text, key_of, table_module

ROOT = Path(__file__).parents[1]


def keys() -> list[str]:
    """The keys of all rows."""
    return [key_of(row) for family in families() for row in table_module(family).CASES]


@pytest.mark.parametrize("family", families())
def test_every_record_is_of_one_row(family: str) -> None:
    counts = Counter(key_of(row) for row in table_module(family).CASES)
    assert not [key for key, count in counts.items() if count > 1]
    assert {name.partition("/")[0] for name in golden.load(golden_path(family))} == set(counts)


@pytest.mark.parametrize("family", families())
def test_the_text_says_what_the_binary_holds(family: str) -> None:
    path = golden_path(family)
    text = golden.text_path(path).read_text(encoding="utf-8")
    assert text == golden_text(golden.load(path), table_module(family).CASES)


@pytest.mark.parametrize(
    "settings",
    [{"OPENBLAS_CORETYPE": "Prescott"}, {"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F"}],
    ids=["BLAS", "SIMD"],
)
def test_keys_do_not_depend_on_the_processor(settings: dict[str, str]) -> None:
    """Inputs that are computed are rounded, so that another BLAS or instruction set gives the same bits."""
    script = f"from {__name__} import keys; print(*keys(), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == keys()
