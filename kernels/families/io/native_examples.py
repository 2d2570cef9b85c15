"""Batches of tf.Example messages, parsed by native code on the threads of the pool."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.cancellation import check
from ...core.parallel import POOL
from .feature_columns import FeatureColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ....graphfmt.dtypes import DType
    from ....graphfmt.tensors import Array
    from .example_routines import ExampleRoutines

# Messages per chunk: some 2 ms.
_CHUNK = 8192
# The code is compiled once a process has parsed so many messages, or has so many in one batch. That takes 0.5 s, or
# 0.05 s where the code is on disk.
_WORTH_COMPILING = 8_000


class _Usage:
    """How many messages this process has parsed; a lost count makes no difference."""

    messages = 0


def scan(serialized: Sequence[bytes], keys: Sequence[str]) -> NativeExamples | None:
    """Returns the features of these keys in all messages; None if the messages are few so far, if one of them is
    damaged or unusual, or without a compiler."""
    _Usage.messages += len(serialized)
    if _Usage.messages < _WORTH_COMPILING or not keys:
        return None
    from .example_routines import compiled

    routines = compiled()
    if routines is None or len(set(keys)) < len(keys):
        return None
    found = NativeExamples(routines, serialized, keys)
    return None if found.is_unusual else found


class NativeExamples:
    """The features of a batch of messages. ``is_unusual``: native code cannot tell what they are."""

    def __init__(self, routines: ExampleRoutines, serialized: Sequence[bytes], keys: Sequence[str]) -> None:
        from .example_routines import SPAN_FIELDS

        self._routines = routines
        self._count = len(serialized)
        self._number = {key: number for number, key in enumerate(keys)}
        self._data = b"".join(serialized)
        self._address = _address(np.frombuffer(self._data, np.uint8)) if self._data else 0
        bounds = _bounds(serialized) + self._address
        encoded = [key.encode() for key in keys]
        key_data = np.frombuffer(b"".join(encoded) + b"\0", np.uint8)
        key_bounds = _bounds(encoded) + _address(key_data)
        self._spans = np.zeros((len(keys), self._count, SPAN_FIELDS), np.int64)
        unusual = np.zeros(1, np.int64)
        tables = _address(key_bounds), len(keys), _address(self._spans), _address(unusual)
        self._in_chunks(
            lambda first, last: routines.scan(_address(bounds), first, last, self._count, *tables)
        )
        self.is_unusual = bool(unusual[0])

    def column(self, key: str, dtype: DType) -> FeatureColumn | None:
        """Returns the values of a feature; None if a message has it with another dtype."""
        from .example_routines import BYTES, FLOATS, INTEGERS

        kind = {"string": BYTES, "float": FLOATS, "int64": INTEGERS}[dtype.name]
        spans = self._spans[self._number[key]]
        is_present = spans[:, 0] != 0
        if (spans[is_present, 0] != kind).any():
            return None
        counts = np.ascontiguousarray(spans[:, 3])
        befores = np.cumsum(counts) - counts
        total = int(counts.sum())
        if kind == BYTES:
            values = self._items(spans, befores, total)
        else:
            values = np.empty(total, dtype.numpy)
            self._fill(kind, spans, befores, values, values.itemsize)
        return FeatureColumn(is_present, counts, values)

    def _fill(self, kind: int, spans: Array, befores: Array, out: Array, size: int) -> None:
        fill = self._routines.fill[kind]
        addresses = _address(spans), _address(befores)
        self._in_chunks(lambda first, last: fill(*addresses, first, last, _address(out), size))

    def _items(self, spans: Array, befores: Array, total: int) -> Array:
        """Returns the strings of a feature."""
        from .example_routines import BYTES

        places = np.empty((total, 2), np.int64)
        self._fill(BYTES, spans, befores, places, 16)
        places -= self._address
        values = np.empty(total, object)
        data = self._data
        values[:] = [data[begin:end] for begin, end in zip(places[:, 0].tolist(), places[:, 1].tolist())]
        return values

    def _in_chunks(self, work: Callable[[int, int], Any]) -> None:
        def run(chunk: int) -> None:
            check()
            work(chunk * _CHUNK, min(self._count, (chunk + 1) * _CHUNK))

        POOL.run(run, -(-self._count // _CHUNK))


def _address(array: Any) -> int:
    return array.ctypes.data


def _bounds(items: Sequence[bytes]) -> Array:
    """Returns where items begin that follow each other, and where the last ends."""
    return np.fromiter(chain((0,), map(len, items)), np.int64, len(items) + 1).cumsum()
