"""Specifications of clusters: ``ps:1,worker:3`` for tasks on this machine, or a file that describes tasks elsewhere.

The file is a machine file (see ``machine_file``) whose devices have jobs and tasks, and that may say where they run:

    ray_address: "10.0.0.1:6379"
    task { name: "/job:ps/task:0" address: "10.0.0.1" }
    task { name: "/job:worker/task:0" address: "10.0.0.2" }
    device { name: "/job:ps/task:0/device:CPU:0" memory: "8 GiB" speed: "50 GFLOP/s" bandwidth: "10 GB/s" }
    …

A device that no line describes is one CPU with default figures.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...graphfmt.devices import DeviceName
from ...graphfmt.errors import Status, TfgError, invalid
from ...graphfmt.files import STANDARD
from ..passes.placement.machine.machine import Link, Machine, default_device_named
from .task_names import task_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...graphfmt.graph import Graph
    from .cluster_devices import ClusterDevices

# At most this many tasks are started by a specification of counts.
MAX_TASKS = 64
_LOCALHOST = "127.0.0.1"
# A tensor between two processes of one machine: bytes a second, and seconds.
_LOCAL_LINK = (1e9, 200e-6)

_JOB = re.compile(r"([A-Za-z][A-Za-z0-9_]*)(?::([0-9]{1,6}))?")
_EXAMPLES = "write for example ps:1,worker:3, or name a file that describes tasks"


@dataclass(frozen=True)
class ClusterSpec:
    """Implements ``DeviceSource``: the devices of tasks, and where the tasks run.

    ``addresses`` are those of tasks on other machines, by task; ``ray_address`` is that of the cluster of Ray to join,
    None to start one on this machine.
    """

    machine: Machine
    ray_address: str | None = None
    addresses: Mapping[str, str] = field(default_factory=dict[str, str])

    def host(self, task: str) -> str:
        """The address at which a task receives."""
        return self.addresses.get(task, _LOCALHOST)

    def node(self, task: str) -> str | None:
        """The node of Ray on which a task must run; None for any."""
        return self.addresses.get(task)

    def open(
        self, graph: Graph, threads: int | None, wire: str | None, *, soft: bool, callers: int
    ) -> ClusterDevices:
        """Starts the tasks for a session. Raises FAILED_PRECONDITION if Ray is missing, UNAVAILABLE if a task cannot
        be started."""
        from .cluster_devices import ClusterDevices
        from .ray_engine import RayEngine

        return ClusterDevices(
            graph, self.machine, RayEngine(self), threads=threads, wire=wire, soft=soft, callers=callers
        )


def is_cluster_file(spec: str) -> bool:
    """Returns True for the name of a file, False for counts of tasks, right or wrong."""
    return spec == STANDARD or "/" in spec or "." in spec or (len(spec) < 256 and Path(spec).is_file())


def parse_cluster(spec: str) -> ClusterSpec:
    """Parses the argument of ``--cluster``: counts of tasks by job, or the name of a file.

    Raises INVALID_ARGUMENT, located in the file if there is one, and NOT_FOUND and similar for an unreadable file.
    """
    if is_cluster_file(spec):
        from .cluster_file import read_cluster

        return read_cluster(spec)
    counts: dict[str, int] = {}
    for item in spec.split(","):
        match = _JOB.fullmatch(item.strip())
        if match is None:
            raise _refused(spec, f"{item.strip()[:40]!r} is not of the form worker:3")
        if match[1] in counts:
            raise _refused(spec, f"the job {match[1]!r} is given twice")
        counts[match[1]] = int(match[2] or 1)
    if not all(counts.values()) or sum(counts.values()) > MAX_TASKS:
        raise _refused(spec, f"a job has at least 1 task, and there are at most {MAX_TASKS} in all")
    names = [
        str(DeviceName(job, 0, task, "CPU", 0)) for job, number in counts.items() for task in range(number)
    ]
    links = tuple(Link(a, b, *_LOCAL_LINK) for a in names for b in names if a != b)
    return ClusterSpec(Machine(tuple(map(default_device_named, names)), links))


def check_runnable(machine: Machine) -> None:
    """Raises UNIMPLEMENTED for devices that tasks cannot have."""
    for device in machine.devices:
        if device.type != "CPU":
            raise TfgError(
                Status.UNIMPLEMENTED, f"{device.name}: the tasks of a cluster have CPU devices alone"
            )


def tasks_of(machine: Machine) -> list[str]:
    """The tasks of a machine, in the order of its devices."""
    return list(dict.fromkeys(map(task_of, machine.names)))


def _refused(spec: str, message: str) -> TfgError:
    shown = spec if len(spec) <= 40 else spec[:37] + "..."
    return invalid(f"--cluster {shown}: {message}", hint=_EXAMPLES)
