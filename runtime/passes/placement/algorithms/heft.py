"""HEFT, heterogeneous earliest finish time (Topcuoglu, Hariri, Wu 2002).

Operations are scheduled by descending upward rank, the length of the longest chain to the end at average costs,
on the device where they finish first, in a gap between other operations if they fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .partial_schedule import PartialSchedule

if TYPE_CHECKING:
    from ..problem import Assignment, Problem


def heft(problem: Problem) -> Assignment:
    """Returns the assignment of HEFT with insertion; ties to the lower number."""
    rank = upward_ranks(problem)
    partial = PartialSchedule(problem, insertion=True)
    # An operation's rank is at least its readers' ranks and its number is lower, so the order is topological.
    for op in sorted(range(len(rank)), key=lambda op: (-rank[op], op)):
        partial.put(op, min(partial.choice(op, device) for device in partial.candidates(op)))
    return partial.assignment


def upward_ranks(problem: Problem) -> list[float]:
    """Returns the seconds from each operation's start to the end along the longest chain, at average costs.

    A transfer is weighted by the probability that two devices differ.
    """
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
