"""The devices of a session on a cluster: the graph is placed over them as a whole, and every step is partitioned."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from ...graphfmt.graph import Graph
from ..multi_device.devices import device_limits, placed_on
from ..multi_device.multi_device_plan import place_feeds, step_feeds, strictest
from ..passes.partitioning.partition import partition
from ..passes.prune import prune
from .cluster import Cluster
from .cluster_plan import ClusterPlan, FetchLocation
from .cluster_resources import ClusterResources
from .task_plan import parts_by_task

if TYPE_CHECKING:
    from ..passes.placement.machine.machine import Machine
    from ..passes.prune import StepSignature
    from ..plan.build import BuildOptions
    from .engine import Engine


class ClusterDevices:
    """Implements ``SessionDevices``. ``graph`` is the session's graph, placed as a whole, so that variables stay on
    one task from step to step."""

    def __init__(
        self,
        graph: Graph,
        machine: Machine,
        engine: Engine,
        *,
        threads: int | None = None,
        wire: str | None = None,
        soft: bool = False,
        callers: int = 1,
    ) -> None:
        self.machine = machine
        self.graph = placed_on(graph, machine, soft=soft)
        library = Graph((), graph.functions, graph.gradients, graph.versions)
        limits = device_limits(self.graph, machine)
        self.cluster = Cluster(machine, library, limits, engine, callers=callers, threads=threads)
        self.cluster.watch()
        self.resources = ClusterResources(self.graph, self.cluster)
        self._wire = wire
        self._numbers = count(1)

    def plan(self, signature: StepSignature, options: BuildOptions) -> ClusterPlan:
        """The plan of a signature, registered with the tasks that take part."""
        cluster = self.cluster
        pruned = prune(self.graph, signature)
        pruned = pruned._replace(graph=place_feeds(pruned, self.graph, signature.feeds))
        parts = partition(pruned.graph, wire=self._wire, incarnations=cluster.incarnations)
        by_task = parts_by_task(pruned, parts, options)
        number = next(self._numbers)
        summaries = cluster.register(number, by_task)
        locations = {
            fetch: FetchLocation(task, n, i)
            for task, own in by_task.items()
            for n, part in enumerate(own.signatures)
            for i, fetch in enumerate(part.fetches)
        }
        read = {i: feed for summary in summaries.values() for i, feed in summary.feeds.items()}
        return ClusterPlan(
            graph=pruned.graph,
            feeds=step_feeds(self.graph, signature, read),
            fetches=pruned.fetches,
            changes_state=any(summary.changes_state for summary in summaries.values()),
            access=strictest(summary.access for summary in summaries.values()),
            cluster=cluster,
            number=number,
            task_feeds={task: own.feeds for task, own in by_task.items()},
            locations=tuple(locations[fetch] for fetch in pruned.fetches),
        )

    def restart(self) -> None:
        """Starts all tasks anew, without state; plans have to be built again."""
        self.cluster.restart()

    @property
    def lost_tasks(self) -> list[str]:
        """The tasks that have ended or do not answer."""
        return list(self.cluster.lost)

    def close(self) -> None:
        self.cluster.close()
