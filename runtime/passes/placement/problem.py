"""The placement problem in plain numbers, so that no algorithm knows what a graph is.

Operations, tensors, groups and devices are 0, 1, 2, …. Operations are numbered in a topological order: every
tensor's producer comes before its readers. A control edge is a tensor of no bytes. Groups are what must stay
together; an assignment is a device for each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# A device for every group.
Assignment = list[int]


class TensorTable(NamedTuple):
    """The tensors by column, and the persistent bytes of every operation."""

    producer: NDArray[np.intp]
    size: NDArray[np.int64]
    held: NDArray[np.int64]
    persistent: NDArray[np.int64]


class ReaderTable(NamedTuple):
    """A row per tensor and reader of it."""

    tensor: NDArray[np.intp]
    reader: NDArray[np.intp]


class ProblemTensor(NamedTuple):
    """What one operation makes and others read.

    ``size`` is what a transfer carries, ``held`` what it takes on the device that made it: nothing where it is
    a view of a variable or of a constant, which are counted as persistent. ``readers`` are distinct.
    """

    producer: int
    size: int
    held: int
    readers: tuple[int, ...]


class SharedInterpreter(NamedTuple):
    """Python, which devices of one process share: where several of them are at work, each call of an operation
    keeps it for ``call`` seconds, and each transfer from one to another for ``hand_over``. A step is not done before
    all of these are, however its devices' work overlaps."""

    devices: frozenset[int]
    call: float
    hand_over: float


@dataclass(frozen=True)
class Problem:
    """``seconds[op][device]`` is what an operation takes there; ``feasible[group]`` the devices it may go to, never
    none. A transfer of b bytes from device d to e takes ``latency[d][e] + b * per_byte[d][e]`` seconds.
    ``persistent[op]`` are the bytes of its variable or constant, ``limits[device]`` its memory, inf for no limit.
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
        """The tensors that each operation reads."""
        found: list[list[int]] = [[] for _ in self.group]
        for number, tensor in enumerate(self.tensors):
            for reader in tensor.readers:
                found[reader].append(number)
        return found

    @cached_property
    def outputs(self) -> list[list[int]]:
        """The tensors that each operation makes."""
        found: list[list[int]] = [[] for _ in self.group]
        for number, tensor in enumerate(self.tensors):
            found[tensor.producer].append(number)
        return found

    @cached_property
    def active(self) -> list[bool]:
        """Whether it matters where each operation is: the others take no time, hold nothing and read nothing,
        because the step does not need them."""
        return [
            bool(self.inputs[op] or self.outputs[op] or self.persistent[op] or any(self.seconds[op]))
            for op in range(len(self.group))
        ]

    @cached_property
    def calls(self) -> NDArray[np.bool_]:
        """Whether each operation takes time anywhere."""
        return np.array([any(row) for row in self.seconds], np.bool_)

    @cached_property
    def members(self) -> list[list[int]]:
        """The operations of each group, in order."""
        found: list[list[int]] = [[] for _ in self.feasible]
        for op, group in enumerate(self.group):
            found[group].append(op)
        return found

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
        """[group, device]: what all of a group's operations take."""
        table = np.zeros((len(self.feasible), self.devices))
        np.add.at(
            table,
            np.asarray(self.group, np.intp),
            np.asarray(self.seconds, np.float64).reshape(-1, self.devices),
        )
        return table

    @cached_property
    def cheapest(self) -> list[float]:
        """What each operation takes on the feasible device that is best at it."""
        return [min(row[d] for d in self.feasible[g]) for row, g in zip(self.seconds, self.group)]

    @cached_property
    def average(self) -> list[float]:
        """What each operation takes on its feasible devices, on average."""
        return [
            sum(row[d] for d in self.feasible[g]) / len(self.feasible[g])
            for row, g in zip(self.seconds, self.group)
        ]

    @cached_property
    def average_link(self) -> tuple[float, float]:
        """Latency and seconds per byte of the links between different devices, on average."""
        pairs = [(d, e) for d in range(self.devices) for e in range(self.devices) if d != e]
        if not pairs:
            return 0.0, 0.0
        return (
            sum(self.latency[d][e] for d, e in pairs) / len(pairs),
            sum(self.per_byte[d][e] for d, e in pairs) / len(pairs),
        )

    def spread(self, assignment: Assignment) -> list[int]:
        """The device of every operation."""
        return [assignment[group] for group in self.group]

    def occupied(self, size: int, source: int, target: int) -> float:
        """Seconds for which bytes keep others from leaving by the same link."""
        return size * self.per_byte[source][target]

    def transfer(self, size: int, source: int, target: int) -> float:
        """Seconds that bytes take from a device to another one."""
        return self.latency[source][target] + size * self.per_byte[source][target]
