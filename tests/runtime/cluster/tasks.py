"""Sessions on tasks that are objects of this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from tfg.graphfmt.graph import Graph
from tfg.runtime.cluster.cluster_devices import ClusterDevices
from tfg.runtime.cluster.spec import parse_cluster
from tfg.runtime.cluster.thread_engine import ThreadEngine
from tfg.runtime.execution.session import Session


def task(number: int) -> str:
    """The name of the worker of this number."""
    return f"/job:worker/replica:0/task:{number}"


def device(number: int) -> str:
    """The device of the worker of this number."""
    return f"{task(number)}/device:CPU:0"


def on_workers(graph: Graph) -> Graph:
    """A graph placed on devices CPU:0, CPU:1, … of one task, with each of them on a worker of its own."""
    return graph.with_nodes(
        replace(node, device=device(int(node.device.rpartition(":")[2] or 0))) for node in graph.nodes
    )


class ThreadTasks:
    """A ``DeviceSource`` of tasks in this process."""

    def __init__(self, spec: str) -> None:
        self.machine = parse_cluster(spec).machine
        self.engine = ThreadEngine()
        self.devices: ClusterDevices

    def open(
        self, graph: Graph, threads: int | None, wire: str | None, *, soft: bool, callers: int
    ) -> ClusterDevices:
        self.devices = ClusterDevices(
            graph, self.machine, self.engine, threads=threads, wire=wire, soft=soft, callers=callers
        )
        return self.devices


@contextmanager
def session_on(
    graph: Graph, spec: str = "worker:3", wire: str | None = None
) -> Iterator[tuple[Session, ThreadTasks]]:
    """A session on tasks, and the tasks."""
    tasks = ThreadTasks(spec)
    with Session(graph, devices=tasks, wire=wire) as session:
        yield session, tasks
