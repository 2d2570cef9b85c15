"""The fields of all plans, and plans that are one generated function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...graphfmt.graph import Endpoint, Graph
    from ...kernels.core.failed_calls import FailedCall
    from ..execution.state_lock import Access
    from ..execution.step import Step
    from .feeds import Feed
    from .segment import Segment


@dataclass(frozen=True, eq=False, repr=False)
class PlanFields:
    """The fields of every plan; see ``Plan``."""

    graph: Graph
    feeds: tuple[Feed, ...]
    fetches: tuple[Endpoint, ...]
    changes_state: bool
    access: Access


@dataclass(frozen=True, eq=False, repr=False)
class SegmentPlan(PlanFields):
    """A step that is one generated function of the step and the values of the feeds."""

    segment: Segment

    @property
    def function(self) -> Callable[..., Sequence[Any]]:
        """A function of the step and one value per feed, which returns the fetched values."""
        return self.segment.function

    def execute(self, step: Step, values: Sequence[Any]) -> Sequence[Any]:
        return self.segment.function(step, *values)

    def failed_call(self, error: BaseException) -> FailedCall | None:
        return self.segment.failed_call(error)
