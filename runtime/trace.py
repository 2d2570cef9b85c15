"""What a traced step took, node by node: for Chrome's and Perfetto's viewers, and summed up by operation."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .plan import Plan
    from .step import Step


@dataclass(frozen=True, slots=True)
class Event:
    """One node of one step; times in nanoseconds."""

    step: int
    node: str
    op: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What all nodes of an operation took together, in nanoseconds."""

    op: str
    calls: int
    total: int


@dataclass
class Trace:
    """Collects steps; ``observe`` is a session's observer."""

    events: list[Event] = field(default_factory=list[Event])

    def observe(self, plan: Plan, step: Step) -> None:
        for part in (step, *step.parts):
            for record in part.records:
                node = record.node
                self.events.append(Event(step.step_id, node.name, node.op, record.start, record.end))

    def chrome(self) -> dict[str, Any]:
        """The trace in Chrome's format: one complete event per node, microseconds."""
        if not self.events:
            return {"traceEvents": []}
        origin = self.events[0].start
        return {
            "displayTimeUnit": "ms",
            "traceEvents": [
                {
                    "name": event.node,
                    "cat": event.op,
                    "ph": "X",
                    "pid": 1,
                    "tid": 1,
                    "ts": (event.start - origin) / 1000,
                    "dur": (event.end - event.start) / 1000,
                    "args": {"op": event.op, "step": event.step},
                }
                for event in self.events
            ],
        }

    def costs(self) -> list[Cost]:
        """Per operation, the dearest first."""
        calls: dict[str, int] = defaultdict(int)
        total: dict[str, int] = defaultdict(int)
        for event in self.events:
            calls[event.op] += 1
            total[event.op] += event.end - event.start
        return sorted((Cost(op, calls[op], total[op]) for op in calls), key=lambda cost: -cost.total)
