"""HEFT: heterogeneous earliest finish time (Topcuoglu, Hariri, Wu 2002).

Operations are taken by upward rank, the length of the longest chain from there to the end at average costs, and
put where they are done first, into a gap between others if they fit there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .partial_schedule import PartialSchedule

if TYPE_CHECKING:
    from ..problem import Assignment, Problem


def heft(problem: Problem) -> Assignment:
    """The placement of HEFT with insertion; ties to the lower number."""
    rank = upward_ranks(problem)
    partial = PartialSchedule(problem, insertion=True)
    # An operation's rank is never below a reader's, and its number always is, so the order is topological.
    for op in sorted(range(len(rank)), key=lambda op: (-rank[op], op)):
        partial.put(op, min(partial.choice(op, device) for device in partial.candidates(op)))
    return partial.assignment


def upward_ranks(problem: Problem) -> list[float]:
    """Seconds from each operation's start to the end along the longest chain, at average costs; a transfer
    counts with the chance that two devices are different ones."""
    latency, per_byte = problem.average_link
    apart = 1 - 1 / problem.devices
    rank = list(problem.average)
    for op in reversed(range(len(rank))):
        longest = 0.0
        for number in problem.outputs[op]:
            tensor = problem.tensors[number]
            moved = apart * (latency + tensor.size * per_byte)
            for reader in tensor.readers:
                longest = max(longest, moved + rank[reader])
        rank[op] += longest
    return rank
