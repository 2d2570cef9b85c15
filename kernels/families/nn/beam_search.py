"""The beam search of CTCBeamSearchDecoder: the most probable sequences of labels, all their alignments counted
(ctc_beam_search.h in TensorFlow).

Where candidates are equally probable, which one is kept follows from the heap, which makes the moves of TensorFlow's.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.cancellation import checked
from .log_sums import log_sum_of_two

if TYPE_CHECKING:
    from collections.abc import Iterator

_NEVER = -np.inf


class BeamEntry:
    """A sequence of labels, as the sequence before its last label and that label.

    Attributes:
        total: the logarithm of its probability at the present time, ``ends_in_blank`` and ``ends_in_label`` of its
            parts; ``previous_total`` and ``previous_blank`` are those at the time before.
    """

    __slots__ = (
        "children",
        "ends_in_blank",
        "ends_in_label",
        "label",
        "parent",
        "previous_blank",
        "previous_total",
        "total",
    )

    def __init__(self, parent: BeamEntry | None, label: int) -> None:
        self.parent, self.label = parent, label
        self.children: dict[int, BeamEntry] = {}
        self.forget()
        self.previous_total = self.previous_blank = _NEVER

    def forget(self) -> None:
        """Makes the present probability 0."""
        self.total = self.ends_in_blank = self.ends_in_label = _NEVER

    def child(self, label: int) -> BeamEntry:
        """Returns the sequence with one more label."""
        found = self.children.get(label)
        if found is None:
            found = self.children[label] = BeamEntry(self, label)
        return found

    def labels(self, merge_repeated: bool) -> list[int]:
        """Returns the sequence, perhaps without repetitions."""
        found: list[int] = []
        entry, following = self, -1
        while entry.parent is not None:
            if not merge_repeated or entry.label != following:
                found.append(entry.label)
            following, entry = entry.label, entry.parent
        return found[::-1]

    def __lt__(self, other: BeamEntry) -> bool:
        return self.total < other.total


@dataclass(slots=True)
class _Best:
    """At most ``limit`` entries, the most probable of all that were pushed. Until more have come, they are a list whose
    least is at the front once it has been asked for; then a heap."""

    limit: int
    entries: list[BeamEntry] = field(default_factory=list[BeamEntry])
    is_heap: bool = False
    knows_least: bool = False

    def push(self, entry: BeamEntry) -> None:
        if self.is_heap:
            if self.entries[0] < entry:
                heapq.heappush(self.entries, entry)
                heapq.heappop(self.entries)
            return
        self.entries.append(entry)
        if self.knows_least and not self.entries[0] < entry:
            self.entries[0], self.entries[-1] = entry, self.entries[0]
        if len(self.entries) > self.limit:
            heapq.heapify(self.entries)
            heapq.heappop(self.entries)
            self.is_heap = True

    def least(self) -> BeamEntry:
        """Returns the least probable entry."""
        if not self.is_heap and not self.knows_least:
            place = min(range(len(self.entries)), key=lambda i: self.entries[i].total)
            self.entries[0], self.entries[place] = self.entries[place], self.entries[0]
            self.knows_least = True
        return self.entries[0]

    def is_full(self) -> bool:
        return len(self.entries) == self.limit

    def sorted(self) -> list[BeamEntry]:
        """Returns the entries, the most probable first."""
        if not self.is_heap:
            return sorted(self.entries, key=lambda entry: -entry.total)
        left = list(self.entries)
        return [heapq.heappop(left) for _ in range(len(left))][::-1]


def search(scores: Any, beam_width: int) -> _Best:
    """Returns the entries of a beam after all times of ``scores`` [time, classes], the last class being the blank."""
    beam = _Best(beam_width)
    root = BeamEntry(None, -1)
    zero = scores.dtype.type(0)
    root.total = root.ends_in_blank = zero
    beam.push(root)
    for row in checked(scores):
        top = row.max()
        norm = top + np.log(np.add.accumulate(np.exp(row - top))[-1])
        beam = _step(beam, row, norm)
    return beam


def top_paths(beam: _Best, count: int, merge_repeated: bool) -> Iterator[tuple[list[int], Any]]:
    """Yields the labels and logarithms of probabilities of the ``count`` best entries, the best first."""
    best = _Best(count)
    for entry in beam.entries:
        best.push(entry)
    for entry in best.sorted():
        yield entry.labels(merge_repeated), entry.total


def _step(beam: _Best, scores: Any, norm: Any) -> _Best:
    """Returns the beam after one more time, at which the logarithms of probabilities are ``scores - norm``."""
    now = scores - norm
    branches = beam.sorted()
    beam = _Best(beam.limit)
    for entry in branches:
        entry.previous_total, entry.previous_blank = entry.total, entry.ends_in_blank
    for entry in branches:
        _extend(entry, scores, norm)
        beam.push(entry)
    for entry in branches:
        _grow(beam, entry, now)
    return beam


def _extend(entry: BeamEntry, scores: Any, norm: Any) -> None:
    """Updates the probability of a sequence that stays as it is."""
    parent = entry.parent
    if parent is not None:
        if parent.total != _NEVER:
            before = parent.previous_blank if entry.label == parent.label else parent.previous_total
            entry.ends_in_label = log_sum_of_two(entry.ends_in_label, before)
        entry.ends_in_label = entry.ends_in_label + (scores[entry.label] - norm)
    entry.ends_in_blank = entry.previous_total + scores[-1] - norm
    entry.total = log_sum_of_two(entry.ends_in_blank, entry.ends_in_label)


def _grow(beam: _Best, entry: BeamEntry, now: Any) -> None:
    """Puts the continuations of a sequence by one label into the beam, where they are probable enough."""
    if entry.previous_total == _NEVER:
        return
    floor = beam.least().total if beam.is_full() else _NEVER
    if not entry.previous_total > floor:
        return
    totals = now[:-1] + entry.previous_total
    if entry.label >= 0:
        totals[entry.label] = now[entry.label] + entry.previous_blank
    for label in sorted({*np.flatnonzero(totals > floor).tolist(), *entry.children}):
        _try(beam, entry.child(label), totals[label])


def _try(beam: _Best, child: BeamEntry, total: Any) -> None:
    """Puts a sequence into the beam unless it is there, or is less probable than all of a full beam."""
    if child.total != _NEVER:
        return
    if (beam.is_full() and not total > beam.least().total) or total == _NEVER:
        # The sequence may have left the beam at this time, and is then not continued either.
        child.previous_total = child.previous_blank = _NEVER
        return
    if beam.is_full():
        beam.least().forget()
    child.ends_in_blank = _NEVER
    child.ends_in_label = child.total = total
    beam.push(child)
