"""Files that describe clusters: the devices and links of a machine file, and where the tasks run.

ray_address: "10.0.0.1:6379"
task { name: "/job:ps/task:0" address: "10.0.0.1" }
task { name: "/job:worker/task:0" address: "10.0.0.2" }
device { name: "/job:ps/task:0/device:CPU:0" speed: "50 GFLOP/s" bandwidth: "10 GB/s" }
device { name: "/job:worker/task:0/device:CPU:0" speed: "50 GFLOP/s" bandwidth: "10 GB/s" }
link { source: "/job:*" target: "/job:*" bandwidth: "1 GB/s" latency: "100 us" }
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from ...graphfmt.errors import TfgError, invalid
from ...graphfmt.files import read_file
from ...graphfmt.load import decode
from ..passes.placement.machine.machine_file import machine_from_tree, parse_machine
from .spec import ClusterSpec, check_runnable, tasks_of

if TYPE_CHECKING:
    from ...graphfmt.devices import DeviceName
    from ...graphfmt.proto.builders import Tree
    from ...graphfmt.text.source import SourceText


def read_cluster(path: str) -> ClusterSpec:
    """Reads the cluster described in a file; ``-`` is standard input.

    Raises INVALID_ARGUMENT with line and column of the fault, NOT_FOUND, PERMISSION_DENIED.
    """
    data, name = read_file(path)
    return cluster_from_text(decode(data, name), name)


def cluster_from_text(text: str, name: str) -> ClusterSpec:
    """Parses the description of a cluster; ``name`` is the file's name for messages."""
    tree, source = parse_machine(text, name)
    machine = machine_from_tree(tree, source)
    check_runnable(machine)
    known = tasks_of(machine)
    addresses: dict[str, str] = {}
    for entry in tree.get("task", ()):
        task = _task(entry, source)
        if task not in known:
            shown = ", ".join(known[:8])
            raise _error(entry, source, f"no device is of the task {task!r}; the devices are of {shown}")
        if task in addresses:
            raise _error(entry, source, f"the task {task!r} is described twice")
        addresses[task] = _address(entry, source)
    ray_address = tree.get("ray_address")
    missing = next((task for task in known if task not in addresses), None)
    if ray_address is not None and missing is not None:
        raise _error(
            {"": 0}, source, f"the task {missing!r} has no address, but the cluster is on other machines"
        )
    return ClusterSpec(machine, ray_address, addresses)


def _task(entry: Tree, source: SourceText) -> str:
    name: DeviceName | None = entry.get("name")
    if name is None or name.job is None or name.task is None:
        raise _error(entry, source, "a task needs a name such as /job:worker/task:2")
    return str(name._replace(replica=name.replica or 0, type=None, id=None))


def _address(entry: Tree, source: SourceText) -> str:
    text = entry.get("address", "")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise _error(entry, source, f"the address {text!r} of a task is not an IP address") from None


def _error(entry: Tree, source: SourceText, text: str) -> TfgError:
    return invalid(text).at(None, source.position(entry[""]))
