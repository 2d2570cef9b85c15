"""Records what TensorFlow does with every row of the given families' test tables:

``python -m tests.oracle.record math_ops array_ops``, or all of them without names.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tests.kernels.harness import GOLDEN, key_of, pack
from tests.oracle.tensorflow_runner import observe


def record(family: str) -> int:
    """Writes a family's golden file anew; returns how many rows it holds."""
    rows = importlib.import_module(f"tests.kernels.test_{family}").CASES
    store: dict[str, Any] = {}
    for row in rows:
        seen, key = observe(row), key_of(row)
        store[f"{key}/status"] = np.array(seen.status or "")
        store[f"{key}/shapes"] = np.array(seen.shapes, dtype="U")
        pack(store, f"{key}/value", seen.values)
        pack(store, f"{key}/grad", seen.gradients)
    GOLDEN.mkdir(exist_ok=True)
    np.savez_compressed(GOLDEN / f"{family}.npz", **store)
    return len(rows)


if __name__ == "__main__":
    tables = Path(__file__).parent.parent / "kernels"
    names = sys.argv[1:] or sorted(p.stem.removeprefix("test_") for p in tables.glob("test_*_ops.py"))
    for name in names:
        print(f"{name}: {record(name)} rows")
