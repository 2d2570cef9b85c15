"""Recorded results: arrays in a binary that needs no pickles, and beside it a text that a reviewer reads in a diff."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from tfg.graphfmt import dtypes

# How many of an array's values the text shows; a checksum stands for all of them.
SHOWN = 6


@cache
def load(path: Path) -> dict[str, Any]:
    """The arrays of a recorded binary by their names; nothing where there is none."""
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


def save(path: Path, store: Mapping[str, Any], text: str) -> None:
    """Writes a binary, and its text beside it."""
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, **store)
    text_path(path).write_text(text, encoding="utf-8")


def text_path(path: Path) -> Path:
    return path.with_suffix(".txt")


def unpack(none: Any, raw: Any, dtype: Any) -> Any:
    """An array as ``pack`` stored it."""
    if none is not None:
        return None
    name = str(dtype)
    if name == "string":
        out = np.empty(raw.shape, object)
        out.reshape(-1)[:] = [bytes.fromhex(x) for x in raw.reshape(-1).tolist()]
        return out
    return raw.view(dtypes.BY_NAME[name].numpy).reshape(raw.shape)


def unpack_series(store: Mapping[str, Any], prefix: str) -> list[Any]:
    """The arrays that ``pack`` stored under a prefix."""
    return [
        unpack(store.get(f"{prefix}{i}/none"), store.get(f"{prefix}{i}"), store.get(f"{prefix}{i}/dtype"))
        for i in range(int(store.get(f"{prefix}s", 0)))
    ]


def pack(store: dict[str, Any], prefix: str, arrays: Sequence[Any]) -> None:
    """Stores arrays of any dtype in a form that an npz file holds without pickles."""
    store[f"{prefix}s"] = np.array(len(arrays))
    for i, array in enumerate(arrays):
        if array is None:
            store[f"{prefix}{i}/none"] = np.array(True)
            continue
        # An array of fixed-size strings would lose the zeros at their ends.
        array = np.asarray(array, object if isinstance(array, bytes) else None)
        dtype = dtypes.of_numpy(array.dtype)
        store[f"{prefix}{i}/dtype"] = np.array(dtype.name)
        if dtype is dtypes.string:
            hexed = [(x.encode() if isinstance(x, str) else x).hex() for x in array.reshape(-1).tolist()]
            store[f"{prefix}{i}"] = np.array(hexed, dtype="U").reshape(array.shape)
        elif dtype.numpy_name.startswith("ml:"):
            store[f"{prefix}{i}"] = array.view(f"u{array.dtype.itemsize}")
        else:
            store[f"{prefix}{i}"] = array


def describe(array: Any) -> str:
    """An array in one line: ``float · [2,3] · 1 2.5 -3 … · 1a2b3c4d``, the last being a checksum of all its bytes."""
    if array is None:
        return "none"
    array = np.asarray(array)
    if array.dtype.kind == "U":
        return " ".join(array.reshape(-1).tolist()) or "none"
    shape = "[" + ",".join(map(str, array.shape)) + "]"
    flat = array.reshape(-1)
    values = " ".join(_shown(x) for x in flat[:SHOWN].tolist()) + (" …" if flat.size > SHOWN else "")
    data = repr(flat.tolist()).encode() if array.dtype == object else np.ascontiguousarray(array).tobytes()
    return " · ".join(
        filter(None, (dtypes.of_numpy(array.dtype).name, shape, values, f"{zlib.crc32(data):08x}"))
    )


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return repr(value if len(value) <= 40 else value[:40] + b"...")
    return f"{value:.6g}" if isinstance(value, float | complex) else str(value)


def plain_text(store: Mapping[str, Any]) -> str:
    """The text of a binary that holds named arrays and nothing else."""
    return "".join(f"{name} · {describe(array)}\n" for name, array in store.items())
