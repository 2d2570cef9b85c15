"""Records what TensorFlow does with every row of the given families' test tables:

``python -m tests.oracle.record math.math_ops array.shape_ops``, or all of them without names.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from tests.kernels.harness import families, golden_path, key_of, pack, table_module
from tests.oracle.tensorflow_runner import observe


def record(family: str) -> int:
    """Writes a family's golden file anew; returns how many rows it holds."""
    rows = table_module(family).CASES
    store: dict[str, Any] = {}
    for row in rows:
        seen, key = observe(row), key_of(row)
        store[f"{key}/status"] = np.array(seen.status or "")
        store[f"{key}/shapes"] = np.array(seen.shapes, dtype="U")
        pack(store, f"{key}/value", seen.values)
        pack(store, f"{key}/grad", seen.gradients)
    path = golden_path(family)
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, **store)
    return len(rows)


if __name__ == "__main__":
    for name in sys.argv[1:] or families():
        print(f"{name}: {record(name)} rows")
