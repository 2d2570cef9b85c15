"""The memory of the arrays that are alive, counted once each, from when a kernel returns them until they are freed."""

from __future__ import annotations

from functools import partial
from threading import RLock
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

# Smaller arrays are not worth a note.
_LEAST = 64


class MemoryMeter:
    """Counts the bytes of arrays that live: values of steps, variables, elements of queues and lists.

    A view counts as the array that it is a view of. The temporary memory of kernels is not seen.

    Attributes:
        used: bytes in use.
        peak: the most there were.
    """

    def __init__(self) -> None:
        self.used = 0
        self.peak = 0
        self._held: dict[int, ref[Any]] = {}
        # Arrays may be freed while one is being counted.
        self._lock = RLock()

    def hold(self, values: Iterable[Any]) -> int:
        """Counts the arrays among some values that are not counted yet; returns their bytes."""
        added = 0
        for value in values:
            if not isinstance(value, np.ndarray):
                continue
            root = _owner(value)
            key = id(root)
            if root.nbytes >= _LEAST and key not in self._held:
                added += self._add(key, root)
        return added

    def _add(self, key: int, array: Any) -> int:
        size = _bytes(array)
        with self._lock:
            self._held[key] = ref(array, partial(self._release, key, size))
            self.used += size
            self.peak = max(self.peak, self.used)
        return size

    def _release(self, key: int, size: int, dead: ref[Any]) -> None:
        with self._lock:
            if self._held.get(key) is dead:
                del self._held[key]
            self.used -= size


def _owner(array: Any) -> Any:
    """The array whose memory this one shows."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _bytes(array: Any) -> int:
    strings = sum(map(len, array.reshape(-1).tolist())) if _holds_strings(array) else 0
    return array.nbytes + strings


def _holds_strings(array: Any) -> bool:
    return array.dtype == object and array.size > 0 and isinstance(array.reshape(-1)[0], bytes)
