"""What waits for staging areas, accumulators and barriers: order, cancelling, saving."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tfg.graphfmt import dtypes
from tfg.graphfmt.errors import TfgError
from tfg.graphfmt.shapes import Shape
from tfg.kernels.families.data_flow.accumulators import DenseAccumulator, SparseAccumulator
from tfg.kernels.families.data_flow.barriers import Barrier
from tfg.kernels.families.data_flow.staging import OrderedStagingMap, StageBuffer, StagingMap


def value(number: float) -> Any:
    return np.float32(number)


def test_a_full_buffer_lets_elements_wait_in_order_and_an_empty_one_those_who_take() -> None:
    buffer, seen = StageBuffer("b", 1, 0), list[Any]()
    for number in (1, 2, 3):
        buffer.begin(lambda n=number: buffer.put([value(n)]), lambda _, n=number: seen.append(n))
    assert (seen, buffer.size) == ([1], 1)
    for _ in range(4):
        buffer.begin(buffer.get, lambda result: seen.append(float(result[0])))
    assert seen == [1, 2, 1.0, 3, 2.0, 3.0] or sorted(seen) == [1, 1.0, 2, 2.0, 3, 3.0]
    assert [n for n in seen if isinstance(n, float)] == [1.0, 2.0, 3.0]
    buffer.begin(lambda: buffer.put([value(4)]), seen.append)
    assert seen[-2:] in ([4.0, []], [[], 4.0])


def test_a_cancelled_attempt_takes_nothing() -> None:
    buffer, seen = StageBuffer("b", 0, 0), list[Any]()
    pending = buffer.begin(buffer.get, seen.append)
    assert pending is not None
    assert pending.resource.describe() == "Staging area 'b' (0 elements)"
    pending.cancel()
    buffer.begin(lambda: buffer.put([value(4)]), lambda _: None)
    assert (seen, buffer.size) == ([], 1)


def test_bytes_bound_a_map_too() -> None:
    area, seen = StagingMap("m", 0, 8), list[Any]()
    for key in (1, 2, 3):
        area.begin(lambda k=key: area.put(k, 1, [0], [value(k)]), lambda _, k=key: seen.append(k))
    assert (seen, area.size) == ([1, 2], 2)
    area.begin(lambda: area.get(2, [0], removes=True), lambda result: seen.append(float(result[0])))
    assert sorted(seen) == [1, 2, 2.0, 3]


def test_taking_waits_for_the_key() -> None:
    area, seen = OrderedStagingMap("m", 0, 0), list[Any]()
    area.begin(lambda: area.get(7, [0, 1], removes=True), seen.append)
    area.begin(lambda: area.put(7, 2, [1], [value(2)]), lambda _: None)
    assert seen == []
    area.begin(lambda: area.put(7, 2, [0], [value(1)]), lambda _: None)
    assert seen == [[1, 2]]


@pytest.mark.parametrize("kind", [StagingMap, OrderedStagingMap])
def test_maps_are_saved_with_their_parts(kind: type[StagingMap]) -> None:
    area = kind("m", 0, 0)
    area.put(5, 2, [0, 1], [value(1), np.array([b"ab"], object)])
    area.put(4, 2, [1], [value(3)])
    copy = kind("m", 0, 0)
    copy.load(area.save())
    assert (copy.size, copy.incomplete_size) == (1, 1)
    copy.put(4, 2, [0], [value(9)])
    assert copy.get(4, [0, 1], removes=True) == [9, 3]
    assert copy.get_next([0, 1])[:2] == [5, 1]


def test_accumulators_are_saved() -> None:
    dense = DenseAccumulator("a", dtypes.float32, Shape((2,)), "MEAN")
    dense.set_global_step(3)
    dense.apply(3, lambda: dense.add(np.float32([1, 3])))
    copy, seen = DenseAccumulator("a", dtypes.float32, Shape((2,)), "MEAN"), list[Any]()
    copy.load(dense.save())
    copy.take(2, seen.append)
    copy.apply(2, lambda: copy.add(np.float32([9, 9])))
    assert seen == []
    copy.apply(3, lambda: copy.add(np.float32([3, 3])))
    assert seen[0][0].tolist() == [2, 3]
    assert copy.global_step == 4
    sparse = SparseAccumulator("s", dtypes.float32, Shape((9,)), "MEAN")
    sparse.apply(0, lambda: sparse.add(np.array([2]), np.float32([4]), None))
    again = SparseAccumulator("s", dtypes.float32, Shape((9,)), "MEAN")
    again.load(sparse.save())
    again.apply(0, lambda: again.add(np.array([2, 3]), np.float32([2, 7]), None))
    again.take(2, seen.append)
    assert [part.tolist() for part in seen[1]] == [[2, 3], [3, 7], [9]]


def barrier() -> Barrier:
    return Barrier("b", [dtypes.float32, dtypes.float32], [Shape(()), Shape(())])


def test_a_waiting_take_ends_when_a_closed_barrier_cannot_fill_it() -> None:
    b, seen = barrier(), list[Any]()
    b.insert([b"x"], 0, np.float32([1]), lambda _: None)
    pending = b.take(2, seen.append, takes_fewer=False)
    assert pending is not None
    assert "0 complete, 1 incomplete" in pending.resource.describe()
    b.close(cancels_pending=False)
    b.insert([b"x"], 1, np.float32([2]), lambda _: None)
    assert isinstance(seen[0], TfgError)
    assert seen[0].status == "OUT_OF_RANGE"


def test_a_barrier_is_saved() -> None:
    b, seen = barrier(), list[Any]()
    b.insert([b"x", b"y"], 0, np.float32([1, 2]), lambda _: None)
    b.insert([b"y"], 1, np.float32([5]), lambda _: None)
    copy = barrier()
    copy.load(b.save())
    assert (copy.ready_size, copy.incomplete_size) == (1, 1)
    copy.insert([b"x"], 1, np.float32([6]), lambda _: None)
    copy.take(2, seen.append, takes_fewer=False)
    indices, keys, *parts = seen[0]
    assert indices.tolist() == [-(2**63)] * 2
    assert keys.tolist() == [b"y", b"x"] or keys.tolist() == [b"x", b"y"]
    assert {k: (float(p), float(q)) for k, p, q in zip(keys, *parts)} == {b"x": (1, 6), b"y": (2, 5)}
