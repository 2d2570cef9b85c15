"""Checkpoints against a plain file of the same bytes and against TensorFlow's: ``python -m
benchmarks.checkpoints``.

Every line is 1 GB of variables, written to the disk (fsync included) or read from the page cache. Ratios are
of times: a ratio of 1.25 is 0.8 of a plain file's speed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tfg.graphfmt.checkpoints.entries import StoredTensor
from tfg.graphfmt.checkpoints.open import open_checkpoint, write_checkpoint

from .table import Row, show, tensorflow
from .timing import compare

_VARIABLES = 16
_BYTES = 1_000_000_000
_PIECE = 1 << 22
_ROUNDS = 5
_PLAIN, _TENSORFLOW = "≤ 1.25", "≤ 1.0"


def variables() -> dict[str, np.ndarray[Any, Any]]:
    """Returns 1 GB of variables of one size, by name."""
    random = np.random.default_rng(0)
    count = _BYTES // _VARIABLES // 4
    return {f"layer{i:02d}/kernel": random.random(count, np.float32) for i in range(_VARIABLES)}


def write_plain_file(path: Path, arrays: list[np.ndarray[Any, Any]]) -> None:
    """Writes the same bytes to one temporary file, syncs it and renames it: the lower bound of a checkpoint."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb", buffering=0) as file:
        for array in arrays:
            raw = array.view(np.uint8)
            for position in range(0, raw.size, _PIECE):
                file.write(raw[position : position + _PIECE].data)
        os.fsync(file.fileno())
    temporary.replace(path)


def read_plain_file(path: Path, arrays: list[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    found: list[np.ndarray[Any, Any]] = []
    with path.open("rb", buffering=0) as file:
        for array in arrays:
            found.append(np.empty_like(array))
            raw = found[-1].view(np.uint8)
            position = 0
            while position < raw.size:
                position += file.readinto(raw[position : position + _PIECE].data) or raw.size
    return found


def _read_all(path: Path) -> list[np.ndarray[Any, Any]]:
    with open_checkpoint(path) as reader:
        return [reader.read(name) for name in reader.entries]


def rows(tf: Any, names: tuple[str, ...] = ("bundle", "state.h5")) -> Iterator[Row]:
    """Yields the lines of the table: writing and reading for each file name, whose suffix selects the format."""
    given = variables()
    arrays = list(given.values())
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain"
        for name in names:
            path = Path(folder) / name
            write: Callable[[], object] = lambda p=path: write_checkpoint(  # noqa: E731
                p, [StoredTensor(key, array) for key, array in given.items()]
            )
            read: Callable[[], object] = lambda p=path: _read_all(p)  # noqa: E731
            floor = compare(write, lambda: write_plain_file(plain, arrays), rounds=_ROUNDS, seconds=0)
            yield Row(f"writing a {name} of 1 GB", "a plain file", floor, _PLAIN)
            floor = compare(read, lambda: read_plain_file(plain, arrays), rounds=_ROUNDS, seconds=0)
            yield Row(f"reading a {name} of 1 GB", "a plain file", floor, _PLAIN)
            if tf is not None:
                yield from _beside_tensorflow(tf, name, write, read, Path(folder) / "theirs", given)


def _beside_tensorflow(
    tf: Any,
    name: str,
    write: Callable[[], object],
    read: Callable[[], object],
    path: Path,
    given: dict[str, np.ndarray[Any, Any]],
) -> Iterator[Row]:
    with tf.Graph().as_default(), tf.device("/cpu:0"):
        keys, whole = list(given), [""] * len(given)
        held = [tf.Variable(np.zeros((), np.float32), shape=None, validate_shape=False) for _ in keys]
        feeds = [tf.placeholder(tf.float32) for _ in keys]
        fill = [tf.assign(v, f, validate_shape=False) for v, f in zip(held, feeds)]
        save = tf.raw_ops.SaveV2(
            prefix=str(path),
            tensor_names=keys,
            shape_and_slices=whole,
            tensors=[v.read_value() for v in held],
        )
        restored = tf.raw_ops.RestoreV2(
            prefix=str(path), tensor_names=keys, shape_and_slices=whole, dtypes=[tf.float32] * len(keys)
        )
        # Restored tensors stay in the runtime, as they do when variables take them.
        restore = tf.group(*[tensor.op for tensor in restored])
        with tf.Session() as session:
            session.run([op.op for op in fill], dict(zip(feeds, given.values())))
            pair = compare(write, lambda: session.run(save), rounds=_ROUNDS, seconds=0)
            yield Row(f"writing a {name} of 1 GB", "TensorFlow's SaveV2, without fsync", pair, _TENSORFLOW)
            # SaveV2 leaves its bytes in the page cache; written back now, they do not disturb the timing of the read.
            os.sync()
            pair = compare(read, lambda: session.run(restore), rounds=_ROUNDS, seconds=0)
            yield Row(f"reading a {name} of 1 GB", "TensorFlow's RestoreV2", pair, _TENSORFLOW)


def main() -> None:
    for row in rows(tensorflow()):
        show(row)


if __name__ == "__main__":
    main()
