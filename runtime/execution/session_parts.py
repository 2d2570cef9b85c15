"""The parts of a session that few have: functions, a budget, devices. The others start without importing them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...graphfmt.graph import Graph
    from ..multi_device.devices import DeviceSource, SessionDevices
    from ..passes.placement.machine.machine import Machine
    from .budget import BudgetGuard, RunBudget
    from .functions import Functions
    from .gpu import GpuOptions
    from .session import Session


def open_functions(graph: Graph, compiled: bool, optimize: bool) -> Functions | None:
    """The machinery that runs the functions of a graph's library."""
    from . import functions

    return functions.function_resolver(graph, compiled=compiled, optimize=optimize)


def open_budget(budget: RunBudget | str, functions: Functions | None) -> BudgetGuard:
    """The guard of a budget, over functions too."""
    from .budget import BudgetGuard, parse_budget

    parsed = parse_budget(budget) if isinstance(budget, str) else budget
    guard = BudgetGuard(parsed, functions.library if functions is not None else None)
    if functions is not None:
        functions.guard = guard.guard
    return guard


def open_devices(
    graph: Graph,
    spec: str | Machine | DeviceSource,
    threads: int | None,
    wire: str | None,
    gpu: GpuOptions | None,
    soft: bool,
    callers: int,
) -> SessionDevices:
    """Devices of this process or of others, on which the graph is placed; the arguments are those of ``Session``."""
    from ..multi_device import devices
    from ..passes.placement.machine.machine import Machine

    if not isinstance(spec, str | Machine):
        return spec.open(graph, threads, wire, soft=soft, callers=callers)
    return devices.open_devices(graph, spec, threads, wire, gpu, soft=soft)


def run_traced(
    session: Session,
    fetches: Sequence[str],
    feeds: Mapping[str, Any] | None,
    targets: Sequence[str],
    timeout: float | None,
) -> list[Any]:
    """Runs a step, and returns ``TracedValues``: its fetches with its trace."""
    from ..profiling.traced_values import TracedValues
    from .trace import StepTrace

    steps = StepTrace()
    values = session.run(fetches, feeds, targets, timeout=timeout, observer=steps.observe)
    return TracedValues(fetches, values, steps)
