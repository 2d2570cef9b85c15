"""Records what TensorFlow does with every row of the given families' test tables:

``python -m tests.oracle.record math.math_ops array.shape_ops``, or all of them without names. Nothing is written for a
family with a row whose outcome is not the one that the row states, or with two rows of one key.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests import golden
from tests.kernels.harness import Case, Record, families, golden_path, golden_text, key_of, table_module
from tests.oracle.tensorflow_runner import observe


def observe_all(rows: Sequence[Case]) -> dict[str, Record]:
    """What TensorFlow does with the rows, by their keys. Raises ValueError where a row states another outcome."""
    seen: dict[str, Record] = {}
    faults: list[str] = []
    for row in rows:
        key, record = key_of(row), observe(row)
        if record.status != row.status:
            faults.append(
                f"{row}: {row.status or 'no error'} is stated, but is {record.status or 'no error'}"
            )
        if key in seen:
            faults.append(f"{row}: an earlier row has the same operation, attributes and inputs")
        seen[key] = record
    if faults:
        raise ValueError("\n".join(faults))
    return seen


def record(family: str) -> int:
    """Writes a family's binary and text anew; returns how many rows they hold."""
    rows = table_module(family).CASES
    store: dict[str, Any] = {}
    for key, seen in observe_all(rows).items():
        store[f"{key}/status"] = np.array(seen.status or "")
        store[f"{key}/shapes"] = np.array(seen.shapes, dtype="U")
        golden.pack(store, f"{key}/value", seen.values)
        golden.pack(store, f"{key}/grad", seen.gradients)
    golden.save(golden_path(family), store, golden_text(store, rows))
    return len(rows)


if __name__ == "__main__":
    for name in sys.argv[1:] or families():
        try:
            print(f"{name}: {record(name)} rows")
        except ValueError as error:
            sys.exit(f"{name}: nothing is recorded\n{error}")
