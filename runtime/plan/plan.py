"""Plans: what a session keeps per signature (feeds, fetches, targets), so that the second step of a kind costs its
kernels alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ...graphfmt.graph import Endpoint, Graph, Node
    from ..execution.state_lock import Access
    from ..execution.step import Step
    from .feeds import Feed
    from .segment import Segment
    from .segmentation import TaskGraph


class Plan(Protocol):
    """How a step of one signature runs. ``graph`` has the nodes that it needs; ``changes_state`` tells whether it
    changes the session's state, ``access`` which other steps may run meanwhile."""

    @property
    def graph(self) -> Graph: ...

    @property
    def feeds(self) -> tuple[Feed, ...]: ...

    @property
    def fetches(self) -> tuple[Endpoint, ...]: ...

    @property
    def changes_state(self) -> bool: ...

    @property
    def access(self) -> Access: ...

    def execute(self, step: Step, values: Sequence[Any]) -> Sequence[Any]:
        """Runs a step on the values of the feeds, one each, and returns those of the fetches. Raises what kernels
        raise."""
        ...

    def node_of(self, error: BaseException) -> Node | None:
        """The node at which a step failed, where the exception's traceback tells."""
        ...


@dataclass(frozen=True)
class PlanFields:
    """The fields of every plan; see ``Plan``."""

    graph: Graph
    feeds: tuple[Feed, ...]
    fetches: tuple[Endpoint, ...]
    changes_state: bool
    access: Access


@dataclass(frozen=True)
class SegmentPlan(PlanFields):
    """A step that is one generated function of the step and the values of the feeds."""

    segment: Segment

    @property
    def function(self) -> Callable[..., Sequence[Any]]:
        """A function of the step and one value per feed, which returns the fetched values."""
        return self.segment.function

    def execute(self, step: Step, values: Sequence[Any]) -> Sequence[Any]:
        return self.segment.function(step, *values)

    def node_of(self, error: BaseException) -> Node | None:
        return self.segment.node_of(error)


@dataclass(frozen=True)
class ScheduledPlan(PlanFields):
    """A step of tasks under a scheduler, because nodes may wait or be dead. ``parameters`` are the outputs that are
    fed, None for one that nothing reads; ``constants`` are known before the step."""

    parameters: tuple[Endpoint | None, ...]
    constants: Mapping[Endpoint, Any]
    tasks: TaskGraph

    @property
    def function(self) -> Callable[..., Sequence[Any]]:
        """A function of the step and one value per feed, which returns the fetched values."""

        def function(step: Step, *values: Any) -> Sequence[Any]:
            return self.execute(step, values)

        return function

    def execute(self, step: Step, values: Sequence[Any]) -> Sequence[Any]:
        from ..execution.executor import execute

        return execute(self.tasks, step, self.initial_values(values), self.fetches)

    def initial_values(self, values: Sequence[Any]) -> Mapping[Endpoint, Any]:
        """The values known before a step begins: constants and feeds."""
        fed = {parameter: value for parameter, value in zip(self.parameters, values) if parameter is not None}
        return {**self.constants, **fed}

    def node_of(self, error: BaseException) -> Node | None:
        nodes = (segment.node_of(error) for segment in self.tasks.segments)
        return next((node for node in nodes if node is not None), None)
