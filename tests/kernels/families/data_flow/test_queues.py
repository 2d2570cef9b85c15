"""Queues as state machines: order, waiting, closing, cancelling, saving."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tfg.graphfmt import dtypes
from tfg.graphfmt.errors import TfgError
from tfg.graphfmt.shapes import Shape
from tfg.kernels.families.data_flow.element_orders import ByPriority, FirstInFirstOut, Shuffled
from tfg.kernels.families.data_flow.queues import Queue
from tfg.kernels.numeric.philox import Philox


class Results(list[Any]):
    """What attempts were completed with, in the order in which they were."""

    def of(self, name: str) -> Any:
        return lambda result: self.append((name, _plain(result)))


def _plain(result: Any) -> Any:
    if isinstance(result, TfgError):
        return str(result.status)
    return [np.asarray(value).tolist() for value in result]


def fifo(capacity: int = -1, *dims: int | None) -> Queue:
    return Queue("FIFOQueue", "q", [dtypes.int32], [Shape(dims)], capacity, FirstInFirstOut())


def one(number: int) -> list[Any]:
    return [(np.int32(number),)]


def test_attempts_are_served_in_their_order() -> None:
    queue, results = fifo(), Results()
    queue.dequeue(results.of("a"))
    queue.dequeue_many(2, results.of("b"))
    queue.enqueue(one(1) + one(2), results.of("in"))
    assert results == [("in", []), ("a", [1])]
    queue.enqueue(one(3), results.of("in"))
    assert results[2:] == [("in", []), ("b", [[2, 3]])]


def test_a_full_queue_lets_enqueues_wait_and_takes_a_batch_as_there_is_room() -> None:
    queue, results = fifo(2), Results()
    queue.enqueue([*one(1), *one(2), *one(3)], results.of("many"))
    queue.enqueue(one(4), results.of("one"))
    assert (queue.size, results) == (2, [])
    queue.dequeue_many(4, results.of("out"))
    assert sorted(name for name, _ in results) == ["many", "one", "out"]
    assert ("out", [[1, 2, 3, 4]]) in results


def test_closing_waits_behind_enqueues_or_cancels_them() -> None:
    queue, results = fifo(1), Results()
    queue.enqueue(one(1) + one(2), results.of("in"))
    queue.close(results.of("close"), cancels_pending=False)
    queue.enqueue(one(3), results.of("late"))
    assert not queue.is_closed
    queue.dequeue(results.of("out"))
    assert dict(results) == {"out": [1], "in": [], "close": [], "late": "CANCELLED"}
    queue, results = fifo(1), Results()
    queue.enqueue(one(1) + one(2), results.of("in"))
    queue.close(results.of("close"), cancels_pending=True)
    queue.close(results.of("again"), cancels_pending=True)
    assert results == [("in", "CANCELLED"), ("close", []), ("again", "CANCELLED")]
    queue.dequeue(results.of("out"))
    queue.dequeue(results.of("end"))
    assert results[3:] == [("out", [1]), ("end", "OUT_OF_RANGE")]


def test_a_batch_that_closing_interrupts_gives_its_elements_back_in_order() -> None:
    queue, results = fifo(), Results()
    queue.dequeue_many(5, results.of("many"))
    queue.enqueue(one(1) + one(2), results.of("in"))
    queue.close(results.of("close"), cancels_pending=False)
    assert results[-1] == ("many", "OUT_OF_RANGE")
    queue.dequeue_many(9, results.of("rest"), takes_fewer=True)
    assert results[-1] == ("rest", [[1, 2]])
    queue.enqueue([], results.of("nothing"))
    assert results[-1] == ("nothing", [])


def test_a_cancelled_attempt_wakes_the_next() -> None:
    queue, results = fifo(), Results()
    first = queue.dequeue_many(3, results.of("first"))
    queue.dequeue(results.of("second"))
    queue.enqueue(one(7), results.of("in"))
    assert first is not None
    queue.cancel(first)
    assert results == [("in", []), ("second", [7])]


def test_the_order_of_a_seeded_shuffle_is_tensorflows() -> None:
    order = Shuffled(Philox.from_seeds(5, 9))
    queue = Queue("RandomShuffleQueue", "q", [dtypes.int32], [Shape(())], 100, order, least=2)
    results = Results()
    queue.enqueue([element for n in range(20) for element in one(n)], results.of("in"))
    queue.dequeue_many(10, results.of("many"))
    queue.dequeue(results.of("one"))
    queue.close(results.of("close"), cancels_pending=False)
    queue.dequeue_many(50, results.of("rest"), takes_fewer=True)
    assert results[1:] == [
        ("many", [[2, 17, 9, 3, 19, 12, 18, 1, 0, 11]]),
        ("one", [6]),
        ("close", []),
        ("rest", [[4, 5, 8, 13, 14, 7, 16, 10, 15]]),
    ]


def test_some_elements_stay_until_a_shuffling_queue_is_closed() -> None:
    queue, results = (
        Queue("RandomShuffleQueue", "q", [dtypes.int32], [Shape(())], 9, Shuffled(Philox(1, 2)), 2),
        Results(),
    )
    queue.enqueue(one(1) + one(2), results.of("in"))
    queue.dequeue(results.of("out"))
    assert results == [("in", [])]
    queue.enqueue(one(3), results.of("in"))
    assert results[-1][0] == "out"


def test_priorities() -> None:
    queue, results = (
        Queue("PriorityQueue", "q", [dtypes.int64, dtypes.int32], [Shape(())] * 2, 9, ByPriority()),
        Results(),
    )
    elements = [(np.int64(p), np.int32(v)) for p, v in ((5, 0), (3, 1), (5, 2), (1, 3))]
    queue.enqueue(elements, results.of("in"))
    queue.dequeue_many(4, results.of("out"))
    assert results[-1] == ("out", [[1, 3, 5, 5], [3, 1, 0, 2]])


def test_batches_of_different_shapes_are_padded() -> None:
    queue, results = fifo(-1, None), Results()
    queue.enqueue([(np.int32([1, 2]),), (np.int32([3]),)], results.of("in"))
    queue.dequeue_many(2, results.of("out"))
    assert results[-1] == ("out", [[[1, 2], [3, 0]]])


@pytest.mark.parametrize(
    ("components", "is_batch", "words"),
    [
        ([np.int32([1, 2])], False, "Shape mismatch in tuple component 0. Expected \\[\\], got \\[2\\]"),
        ([np.int32(1)], True, "rank 1 or more"),
        ([np.int32([[1]])], True, "Expected \\[\\], got \\[1\\]"),
    ],
)
def test_components_that_do_not_fit(components: list[Any], is_batch: bool, words: str) -> None:
    with pytest.raises(TfgError, match=words):
        fifo().check_components(components, is_batch=is_batch)


@given(
    st.lists(st.integers(0, 30), min_size=1),
    st.integers(0, 10),
    st.sampled_from(["fifo", "shuffled", "priority"]),
)
def test_a_restored_queue_goes_on_as_the_saved_one(numbers: list[int], taken: int, kind: str) -> None:
    def made() -> Queue:
        order: Any = {
            "fifo": FirstInFirstOut,
            "shuffled": lambda: Shuffled(Philox(3, 4)),
            "priority": ByPriority,
        }[kind]()
        return Queue(kind, "q", [dtypes.int64], [Shape(())], -1, order)

    queue, results = made(), Results()
    queue.enqueue([(np.int64(n),) for n in numbers], results.of("in"))
    for _ in range(min(taken, queue.size)):
        queue.dequeue(results.of("early"))
    restored = made()
    restored.load(queue.save())
    rest: list[Any] = []
    for one_queue in (queue, restored):
        found = Results()
        while one_queue.size:
            one_queue.dequeue(found.of("late"))
        rest.append(list(found))
    assert rest[0] == rest[1]


@given(st.data())
def test_no_element_is_lost_or_doubled(data: st.DataObject) -> None:
    queue, results = fifo(data.draw(st.integers(1, 4))), Results()
    waiting: list[Any] = []
    put = 0
    for _ in range(data.draw(st.integers(1, 30))):
        action = data.draw(st.sampled_from(["put", "put many", "take", "take many", "cancel"]))
        if action.startswith("put"):
            count = 1 if action == "put" else data.draw(st.integers(0, 4))
            waiting.append(queue.enqueue([(np.int32(put + n),) for n in range(count)], results.of("put")))
            put += count
        elif action == "cancel" and waiting:
            attempt = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
            # Elements that an enqueue has not added yet are lost with it.
            if attempt is not None and attempt.elements and attempt.is_batch:
                queue.cancel(attempt)
        elif action == "take":
            waiting.append(queue.dequeue(results.of("out")))
        elif action == "take many":
            waiting.append(queue.dequeue_many(data.draw(st.integers(1, 3)), results.of("out")))
    taken = [n for name, result in results if name == "out" for n in np.reshape(result, -1)]
    assert taken == sorted(set(taken))


def test_strings_stay_strings() -> None:
    queue = Queue("FIFOQueue", "q", [dtypes.string], [Shape(())], -1, FirstInFirstOut())
    results: list[Any] = []
    words = np.array([b"a", b"bc", b"def"], object)
    queue.enqueue(queue.check_components([words], is_batch=True), results.append)
    queue.enqueue(queue.check_components([words[1]], is_batch=False), results.append)
    queue.load(queue.save())
    queue.dequeue_many(3, results.append)
    queue.dequeue(results.append)
    assert results[2][0].tolist() == [b"a", b"bc", b"def"]
    assert results[3][0].item() == b"bc"
