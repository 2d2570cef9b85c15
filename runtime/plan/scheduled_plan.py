"""Plans of tasks under a scheduler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..execution.executor import execute
from .segment_plan import PlanFields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ...graphfmt.graph import Endpoint
    from ...kernels.core.failed_calls import FailedCall
    from ..execution.step import Step
    from .segmentation import TaskGraph


@dataclass(frozen=True, eq=False, repr=False)
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
        return execute(self.tasks, step, self.initial_values(values), self.fetches)

    def initial_values(self, values: Sequence[Any]) -> Mapping[Endpoint, Any]:
        """The values known before a step begins: constants and feeds."""
        fed = {parameter: value for parameter, value in zip(self.parameters, values) if parameter is not None}
        return {**self.constants, **fed}

    def failed_call(self, error: BaseException) -> FailedCall | None:
        calls = (segment.failed_call(error) for segment in self.tasks.segments)
        return next((call for call in calls if call is not None), None)
