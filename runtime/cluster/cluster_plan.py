"""The plan of a step on a cluster, as the master has it: which tasks take part, what they are fed, what they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ...graphfmt.errors import TfgError
from ..multi_device.rendezvous import InProcessRendezvous
from ..plan.segment_plan import PlanFields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...kernels.core.failed_calls import FailedCall
    from ..execution.step import Step
    from .cluster import Cluster
    from .task import RunReply


class FetchLocation(NamedTuple):
    """Where a fetched value is: the task, the number of its part in the task, and the position among its fetches."""

    task: str
    part: int
    position: int


@dataclass(frozen=True, eq=False, repr=False)
class ClusterPlan(PlanFields):
    """A step of tasks. ``number`` is that under which they know it; ``task_feeds`` are the positions, among the step's
    feeds, of those that each is sent."""

    cluster: Cluster
    number: int
    task_feeds: Mapping[str, tuple[int, ...]]
    locations: tuple[FetchLocation, ...]

    def execute(self, step: Step, values: Sequence[Any]) -> Sequence[Any]:
        feeds = {task: {i: values[i] for i in own} for task, own in self.task_feeds.items()}
        try:
            replies = self.cluster.run(self.number, feeds, step.check_cancelled)
        except TfgError as error:
            self._name_device(error)
            raise
        for reply in replies.values():
            self._take_report(step, reply)
        return [replies[task].fetched[-1][part][position] for task, part, position in self.locations]

    def _name_device(self, error: TfgError) -> None:
        """Adds to the message of a node's error which device the node ran on."""
        node = self.graph.index.get(error.node) if error.node else None
        if node is not None:
            error.message = f"{error.message} [{node.device}]"

    def _take_report(self, step: Step, reply: RunReply) -> None:
        for line in reply.log:
            step.log(line)
        for device, records in reply.records:
            step.part(device, InProcessRendezvous({})).records += records

    def failed_call(self, error: BaseException) -> FailedCall | None:
        """None: the tasks find the node at which a step failed."""
        return None
