"""The placement problem in plain numbers; algorithms see no graph.

Operations, tensors, groups and devices are numbered from 0. Operations are in topological order: every tensor's
producer precedes its readers. A control edge is a tensor of no bytes. Groups are sets of operations that must
share a device; an assignment is a device for each group.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# The device of every group.
Assignment = list[int]


class TensorTable(NamedTuple):
    """The tensors by column, and the persistent bytes of every operation."""

    producer: NDArray[np.intp]
    size: NDArray[np.int64]
    held: NDArray[np.int64]
    persistent: NDArray[np.int64]


class ReaderTable(NamedTuple):
    """A row for each tensor and reader of it."""

    tensor: NDArray[np.intp]
    reader: NDArray[np.intp]


class ProblemTensor(NamedTuple):
    """An output of an operation, in bytes.

    ``size`` is the size of a transfer, ``held`` the memory on the producer's device: 0 for a view of a variable
    or constant, which counts as persistent. ``readers`` are distinct.
    """

    producer: int
    size: int
    held: int
    readers: tuple[int, ...]


class SharedInterpreter(NamedTuple):
    """The Python interpreter that devices of one process share.

    If several of its devices are in use, each call of an operation holds it for ``call`` seconds, and each
    transfer between two of them for ``hand_over``. A step takes at least the sum, however its devices' work
    overlaps.
    """

    devices: frozenset[int]
    call: float
    hand_over: float


@dataclass(frozen=True)
class Problem:
    """A placement problem.

    ``seconds[op][device]`` is an operation's time on a device; ``feasible[group]`` the non-empty tuple of
    devices that it may be on. A transfer of b bytes from device d to e takes ``latency[d][e] + b *
    per_byte[d][e]`` seconds. ``persistent[op]`` are the bytes of its variable or constant, ``limits[device]``
    its memory, inf for no limit.
    """

    group: Sequence[int]
    feasible: Sequence[tuple[int, ...]]
    seconds: Sequence[Sequence[float]]
    tensors: Sequence[ProblemTensor]
    latency: Sequence[Sequence[float]]
    per_byte: Sequence[Sequence[float]]
    persistent: Sequence[int]
    limits: Sequence[float]
    interpreters: Sequence[SharedInterpreter] = ()

    @property
    def devices(self) -> int:
        return len(self.limits)

    @cached_property
    def inputs(self) -> list[list[int]]:
        """Returns the tensors that each operation reads."""
        inputs: list[list[int]] = [[] for _ in self.group]
        for number, tensor in enumerate(self.tensors):
            for reader in tensor.readers:
                inputs[reader].append(number)
        return inputs

    @cached_property
    def outputs(self) -> list[list[int]]:
        """Returns the tensors that each operation produces."""
        outputs: list[list[int]] = [[] for _ in self.group]
        for number, tensor in enumerate(self.tensors):
            outputs[tensor.producer].append(number)
        return outputs

    @cached_property
    def active(self) -> list[bool]:
        """Returns whether each operation affects the schedule; operations outside of the step do not."""
        return [
            bool(self.inputs[op] or self.outputs[op] or self.persistent[op] or any(self.seconds[op]))
            for op in range(len(self.group))
        ]

    @cached_property
    def calls(self) -> NDArray[np.bool_]:
        """Returns whether each operation takes time on any device."""
        return np.array([any(row) for row in self.seconds], np.bool_)

    @cached_property
    def members(self) -> list[list[int]]:
        """Returns the operations of each group, in order."""
        members: list[list[int]] = [[] for _ in self.feasible]
        for op, group in enumerate(self.group):
            members[group].append(op)
        return members

    @cached_property
    def tensor_table(self) -> TensorTable:
        return TensorTable(
            np.array([t.producer for t in self.tensors], np.intp),
            np.array([t.size for t in self.tensors], np.int64),
            np.array([t.held for t in self.tensors], np.int64),
            np.asarray(self.persistent, np.int64),
        )

    @cached_property
    def reader_table(self) -> ReaderTable:
        rows = [(number, reader) for number, t in enumerate(self.tensors) for reader in t.readers]
        table = np.array(rows, np.intp).reshape(-1, 2)
        return ReaderTable(table[:, 0], table[:, 1])

    @cached_property
    def group_persistent(self) -> list[int]:
        return [sum(self.persistent[op] for op in members) for members in self.members]

    @cached_property
    def group_seconds(self) -> NDArray[np.float64]:
        """Returns the seconds of each group's operations, by [group, device]."""
        table = np.zeros((len(self.feasible), self.devices))
        np.add.at(
            table,
            np.asarray(self.group, np.intp),
            np.asarray(self.seconds, np.float64).reshape(-1, self.devices),
        )
        return table

    @cached_property
    def cheapest(self) -> list[float]:
        """Returns the seconds of each operation on its fastest feasible device."""
        return [min(row[d] for d in self.feasible[g]) for row, g in zip(self.seconds, self.group)]

    @cached_property
    def average(self) -> list[float]:
        """Returns the mean seconds of each operation over its feasible devices."""
        return [
            sum(row[d] for d in self.feasible[g]) / len(self.feasible[g])
            for row, g in zip(self.seconds, self.group)
        ]

    @cached_property
    def average_link(self) -> tuple[float, float]:
        """Returns mean latency and seconds per byte over the links between different devices."""
        pairs = [(d, e) for d in range(self.devices) for e in range(self.devices) if d != e]
        if not pairs:
            return 0.0, 0.0
        return (
            sum(self.latency[d][e] for d, e in pairs) / len(pairs),
            sum(self.per_byte[d][e] for d, e in pairs) / len(pairs),
        )

    def spread(self, assignment: Assignment) -> list[int]:
        """Returns the device of every operation."""
        return [assignment[group] for group in self.group]

    def occupied(self, size: int, source: int, target: int) -> float:
        """Returns the seconds for which a transfer of ``size`` bytes delays the next one on its link."""
        return size * self.per_byte[source][target]

    def transfer(self, size: int, source: int, target: int) -> float:
        """Returns the seconds that a transfer of ``size`` bytes takes."""
        return self.latency[source][target] + size * self.per_byte[source][target]
