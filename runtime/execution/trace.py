"""The events of traced steps: when each node ran, and what it read and computed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ...kernels.core.op_sets import RECVS, SENDS
from .resources import ResourceManager

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...graphfmt.graph import Node
    from .step import NodeRecord, Step, TracedTensor


@dataclass(frozen=True, slots=True)
class Event:
    """One node of one step; times in nanoseconds. ``device`` is empty where a step ran on one device.

    ``transfer`` is the same for a send and its receive, and empty for other nodes; ``source`` is the node whose value
    they carry, if the partition has left its name. The time that an asynchronous node waits does not count, only that
    after its value has arrived. ``inputs`` and ``outputs`` are the tensors as far as they are known, ``held`` the bytes
    of arrays that the step held when the node ended, ``definition`` the node itself.
    """

    step: int
    node: str
    op: str
    start: int
    end: int
    device: str = ""
    transfer: str = ""
    source: str = ""
    inputs: Sequence[TracedTensor] = ()
    outputs: Sequence[TracedTensor] = ()
    held: int = 0
    definition: Node | None = None

    @property
    def bytes(self) -> int:
        """The bytes of the tensors that it read and computed."""
        return sum(tensor.bytes for tensor in (*self.inputs, *self.outputs))


class QueueSize(NamedTuple):
    """The number of elements of a queue at a time, in nanoseconds."""

    time: int
    queue: str
    size: int


@dataclass
class StepTrace:
    """Collects steps; ``observe`` is a session's observer."""

    events: list[Event] = field(default_factory=list[Event])
    queue_sizes: list[QueueSize] = field(default_factory=list[QueueSize])

    def observe(self, plan: object, step: Step) -> None:
        for part in (step, *step.parts):
            self.events += [_event(step.step_id, part.device, record) for record in part.records]
        self.queue_sizes += _queue_sizes(step)

    def records(self) -> list[dict[str, Any]]:
        """Returns a dictionary per node and call. ``pandas.DataFrame`` takes them."""
        from ..profiling.trace_records import trace_records

        return trace_records(self.events)

    def _repr_html_(self) -> str:
        from ..profiling.trace_records import trace_html

        return trace_html(self.events)

    @property
    def origin(self) -> int:
        """The start of the first event."""
        return min(event.start for event in self.events)


def _event(step: int, device: str, record: NodeRecord) -> Event:
    node = record.node
    transfer = source = ""
    if node.op in SENDS | RECVS:
        transfer, source = _transfer(node, f"{step};{record.iteration}"), _source(node)
    return Event(
        step, node.name, node.op, record.start, record.end, device, transfer, source,
        record.inputs, record.outputs, record.held, node,
    )  # fmt: skip


def _queue_sizes(step: Step) -> Iterator[QueueSize]:
    """The sizes of the queues that this process has."""
    if not isinstance(step.resources, ResourceManager):
        return
    now = time.perf_counter_ns()
    for _, name, resource in step.resources.all():
        if getattr(resource, "kind", "") == "Queue":
            yield QueueSize(now, name, resource.size)


def _transfer(node: Node, when: str) -> str:
    return f"{node.attrs.get('send_device')};{node.attrs.get('recv_device')};{node.attrs.get('tensor_name')};{when}"


def _source(node: Node) -> str:
    source = node.attrs.get("_src")
    return source.decode("utf-8", "replace") if isinstance(source, bytes) else ""
