"""RunMetadata of a traced step: times, memory and shapes of its nodes, which TensorBoard shows on its graph page."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt import dtypes
from ...graphfmt.proto import step_stats_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..execution.step import TracedTensor
    from ..execution.trace import Event

_DEVICE = "/job:localhost/replica:0/task:0/device:CPU:0"


def run_metadata(events: Sequence[Event]) -> bytes:
    """Returns the last step of a trace as a serialized RunMetadata; a node that ran more than once has an entry each
    time."""
    message = step_stats_pb2.RunMetadata()
    last = max((event.step for event in events), default=0)
    by_device: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.step == last:
            by_device[event.device or _DEVICE].append(event)
    for device, nodes in by_device.items():
        device_stats = message.step_stats.dev_stats.add(device=device)
        for event in nodes:
            _fill(device_stats.node_stats.add(), event)
    return message.SerializeToString(deterministic=True)


def _fill(target: Any, event: Event) -> None:
    target.node_name = event.node
    target.timeline_label = f"{event.node} = {event.op}"
    target.all_start_micros = event.start // 1000
    target.all_start_nanos = event.start
    target.op_end_rel_micros = target.all_end_rel_micros = max(1, (event.end - event.start) // 1000)
    target.op_end_rel_nanos = target.all_end_rel_nanos = event.end - event.start
    if event.outputs:
        target.memory.add(allocator_name="cpu", total_bytes=sum(tensor.bytes for tensor in event.outputs))
    for slot, tensor in enumerate(event.outputs):
        _describe(target.output.add(slot=slot).tensor_description, tensor)


def _describe(target: Any, tensor: TracedTensor) -> None:
    target.dtype = dtypes.of_numpy(np.dtype(tensor.dtype)).number
    for size in tensor.shape:
        target.shape.dim.add(size=size)
    target.allocation_description.requested_bytes = tensor.bytes
    target.allocation_description.allocated_bytes = tensor.bytes
    target.allocation_description.allocator_name = "cpu"
