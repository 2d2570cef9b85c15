"""Arrays that are alive, counted once each."""

from __future__ import annotations

import numpy as np
from tfg.runtime.execution.memory_meter import MemoryMeter


def test_arrays_count_until_they_are_freed() -> None:
    meter = MemoryMeter()
    a = np.zeros(100)
    b = np.zeros(50)
    assert meter.hold([a, b]) == 1200
    del b
    assert (meter.used, meter.peak) == (800, 1200)
    del a
    assert (meter.used, meter.peak) == (0, 1200)


def test_a_view_counts_as_its_array_and_an_array_once() -> None:
    meter = MemoryMeter()
    a = np.zeros((10, 10))
    assert meter.hold([a[2:], a.T, a]) == 800
    view = a[1]
    del a
    assert meter.used == 800
    del view
    assert meter.used == 0


def test_strings_count_with_their_bytes_and_scalars_not_at_all() -> None:
    meter = MemoryMeter()
    text = np.array([b"x" * 1000] * 10, object)
    assert meter.hold([text, np.float32(1), b"x" * 5000, None]) == 80 + 10_000
