"""The devices that a session runs on: every node of its graph is placed on one, and every step is partitioned."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from ...graphfmt.devices import LOCAL_TASK, parse_device
from ...graphfmt.errors import invalid
from ...kernels.core.parallel import POOL
from ..execution.gpu import GpuOptions, open_gpus, with_measured_figures
from ..execution.memory_budget import MemoryLimit, persistent
from ..passes.partitioning.partition import partition
from ..passes.placement.machine.machine import parse_devices
from ..passes.prune import StepSignature, prune
from ..plan.build import BuildOptions, build_plan
from .multi_device_plan import PartSettings, build_multi_device_plan, place_feeds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...graphfmt.graph import Graph
    from ..execution.resources import StateStore
    from ..passes.partitioning.parts import Parts
    from ..passes.placement.machine.machine import Machine
    from ..plan.plan import Plan


# Evaluations of the placement search: few enough for opening a session to seem immediate.
_EFFORT = 50_000
# Graphs with more nodes are placed by the quick heuristic.
_MANY_NODES = 2000
# The least simulated speed-up for which a graph is distributed; the simulation is not exact enough for less.
_LEAST_GAIN = 1.1


def open_devices(
    graph: Graph,
    spec: str | Machine,
    threads: int | None,
    wire: str | None,
    gpu: GpuOptions | None,
    *,
    soft: bool = False,
) -> Devices:
    """Opens the devices that a session is to run on; the arguments are those of ``Session``."""
    machine = parse_devices(spec) if isinstance(spec, str) else spec
    return Devices(graph, machine, threads, wire, gpu or GpuOptions(), soft=soft)


def required_devices(parts: Parts) -> str:
    """The device specification, such as ``cpu:2``, with which parts run where they are placed. Raises
    INVALID_ARGUMENT for a part whose device is neither a CPU nor a GPU of this process."""
    most: dict[str, int] = {}
    for name in parts.graphs:
        device = parse_device(name)
        kind = device.type or ""
        if kind not in _TYPES or device.id is None or device._replace(type="CPU", id=0) != _FIRST:
            raise invalid(
                f"there is a part for {name}, which this machine does not have: only CPU and GPU devices"
            )
        most[kind] = max(most.get(kind, 0), device.id + 1)
    return ",".join(f"{kind.lower()}:{most[kind]}" for kind in _TYPES if kind in most)


_TYPES = ("CPU", "GPU")
_FIRST = LOCAL_TASK._replace(type="CPU", id=0)


class SessionDevices(Protocol):
    """The devices of a session, of this process or of others. ``resources`` is the state that its steps change, None if
    the session has it itself."""

    @property
    def machine(self) -> Machine: ...

    @property
    def resources(self) -> StateStore | None: ...

    @property
    def lost_tasks(self) -> Sequence[str]:
        """The tasks that have ended or do not answer."""
        ...

    def plan(self, signature: StepSignature, options: BuildOptions) -> Plan:
        """The plan of a signature. Raises the first fault of the part of the graph that it needs."""
        ...

    def restart(self) -> None:
        """Starts all tasks anew, without state; plans have to be built again. Raises UNAVAILABLE."""
        ...

    def close(self) -> None:
        """Gives the devices back."""
        ...


class DeviceSource(Protocol):
    """Opens devices in other processes for a session."""

    def open(
        self, graph: Graph, threads: int | None, wire: str | None, *, soft: bool, callers: int
    ) -> SessionDevices:
        """Opens the devices; the arguments are those of ``Session``."""
        ...


class Devices:
    """Implements ``SessionDevices`` in this process. ``graph`` is the session's graph, placed as a whole, so that
    variables stay on one device from step to step."""

    def __init__(
        self,
        graph: Graph,
        machine: Machine,
        threads: int | None,
        wire: str | None,
        gpu_options: GpuOptions,
        *,
        soft: bool = False,
    ) -> None:
        _check_present(machine)
        self.resources = None
        self.gpus = open_gpus(machine, gpu_options)
        self.machine = machine = with_measured_figures(machine, self.gpus)
        self.graph = placed_on(graph, machine, soft=soft)
        self.wire = wire
        # A device of this process lives as long as its session does.
        self.incarnations: Mapping[str, int] = {
            name: int.from_bytes(os.urandom(8), signed=True) for name in machine.names
        }
        self.limits = device_limits(self.graph, machine)
        for gpu in self.gpus.values():
            gpu.claim()
        self._threads_before = POOL.limit(threads)

    @property
    def lost_tasks(self) -> Sequence[str]:
        return ()

    def restart(self) -> None:
        """Does nothing: the devices live as long as the process."""

    def close(self) -> None:
        """Restores the number of threads for one computation, and the memory limits of GPUs."""
        for gpu in self.gpus.values():
            gpu.close()
        POOL.limit(self._threads_before)

    def plan(self, signature: StepSignature, options: BuildOptions) -> Plan:
        """The plan of a signature: a plan for one device if all that it needs is on one without a memory limit."""
        pruned = prune(self.graph, signature)
        pruned = pruned._replace(graph=place_feeds(pruned, self.graph, signature.feeds))
        used = {node.device for node in pruned.graph.nodes}
        if len(used) < 2 and not self.limits and not used & self.gpus.keys():
            return build_plan(self.graph, signature, options)
        parts = partition(pruned.graph, wire=self.wire, incarnations=self.incarnations)
        settings = PartSettings(self.incarnations, self.limits, self.gpus)
        return build_multi_device_plan(self.graph, signature, pruned, parts, settings, options)


def placed_on(graph: Graph, machine: Machine, *, soft: bool) -> Graph:
    """The graph with a device for every node; a graph that is placed already stays as it is."""
    if len(machine.devices) == 1 and not any(node.device for node in graph.nodes):
        (name,) = machine.names
        return graph.with_nodes(replace(node, device=name) for node in graph.nodes)
    if all(node.device in machine.index for node in graph.nodes):
        return graph
    from ..passes.placement.algorithms.annealing import Budget
    from ..passes.placement.place import BEST, QUICK, PlacementOptions, place

    algorithm = BEST if len(graph.nodes) <= _MANY_NODES else QUICK
    options = PlacementOptions(budget=Budget(effort=_EFFORT), least_gain=_LEAST_GAIN, soft=soft)
    return place(graph, machine, algorithm, options).graph


def device_limits(graph: Graph, machine: Machine) -> dict[str, MemoryLimit]:
    """The memory limits of those CPU devices that have one."""
    return {
        device.name: MemoryLimit(
            device.name, device.memory, persistent(n for n in graph.nodes if n.device == device.name)
        )
        for device in machine.devices
        if device.memory is not None and device.type == "CPU"
    }


def _check_present(machine: Machine) -> None:
    """Raises INVALID_ARGUMENT for a machine with devices that this process cannot run on."""
    for device in machine.devices:
        if device.type not in _TYPES:
            raise invalid(
                f"the device {device.name} cannot be run on here: only CPU and GPU devices can",
                hint="place and partition the graph for it with tfg place and tfg partition",
            )
        if device.parsed[:3] != LOCAL_TASK[:3]:
            raise invalid(
                f"the device {device.name} is of another task than {LOCAL_TASK}, and cannot be run on here",
                hint="place and partition the graph for it with tfg place and tfg partition",
            )
