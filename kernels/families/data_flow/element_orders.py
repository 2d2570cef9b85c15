"""The orders in which queues give their elements out: first in first out, random, by priority."""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from ..random.word_streams import WordStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ....graphfmt.tensors import Array
    from ...numeric.philox import Philox

# One array per component of the queue.
Element = tuple[Any, ...]


class ElementOrder(Protocol):
    """The elements of a queue."""

    def __len__(self) -> int: ...

    def add(self, element: Element) -> None: ...

    def take(self) -> Element:
        """Removes and returns the next element; there must be one."""
        ...

    def give_back(self, elements: Iterable[Element]) -> None:
        """Takes elements back that were the last ones given out, in that order."""
        ...

    def all(self) -> Sequence[Element]:
        """The elements in an order in which they can be added again."""
        ...

    def clear(self) -> None: ...

    def save(self) -> dict[str, Array]:
        """The state besides the elements that decides on their order."""
        ...

    def load(self, state: dict[str, Array]) -> None: ...


class FirstInFirstOut:
    """Gives elements out in the order in which they were added."""

    def __init__(self) -> None:
        self._elements: deque[Element] = deque()

    def __len__(self) -> int:
        return len(self._elements)

    def add(self, element: Element) -> None:
        self._elements.append(element)

    def take(self) -> Element:
        return self._elements.popleft()

    def give_back(self, elements: Iterable[Element]) -> None:
        self._elements.extendleft(reversed(list(elements)))

    def all(self) -> Sequence[Element]:
        return list(self._elements)

    def clear(self) -> None:
        self._elements.clear()

    def save(self) -> dict[str, Array]:
        return {}

    def load(self, state: dict[str, Array]) -> None:
        pass


class Shuffled:
    """Gives out a random element; its place is taken by the last one (random_shuffle_queue_op.cc)."""

    def __init__(self, generator: Philox) -> None:
        self._words = WordStream(generator)
        self._elements: list[Element] = []

    def __len__(self) -> int:
        return len(self._elements)

    def add(self, element: Element) -> None:
        self._elements.append(element)

    def take(self) -> Element:
        elements = self._elements
        place = self._words.next() % len(elements)
        taken, elements[place] = elements[place], elements[-1]
        elements.pop()
        return taken

    def give_back(self, elements: Iterable[Element]) -> None:
        self._elements.extend(reversed(list(elements)))

    def all(self) -> Sequence[Element]:
        return list(self._elements)

    def clear(self) -> None:
        self._elements.clear()

    def save(self) -> dict[str, Array]:
        return self._words.save()

    def load(self, state: dict[str, Array]) -> None:
        self._words.load(state)


class ByPriority:
    """Gives out the element whose first component is the smallest, of equal ones the first that was added."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Element]] = []
        self._added = 0

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, element: Element) -> None:
        heapq.heappush(self._heap, (int(element[0]), self._added, element))
        self._added += 1

    def take(self) -> Element:
        return heapq.heappop(self._heap)[2]

    def give_back(self, elements: Iterable[Element]) -> None:
        for number, element in enumerate(reversed(list(elements))):
            heapq.heappush(self._heap, (int(element[0]), -1 - self._added - number, element))

    def all(self) -> Sequence[Element]:
        return [element for _, _, element in sorted(self._heap, key=lambda item: item[:2])]

    def clear(self) -> None:
        self._heap.clear()

    def save(self) -> dict[str, Array]:
        return {}

    def load(self, state: dict[str, Array]) -> None:
        pass
