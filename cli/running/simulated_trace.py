"""The simulated step beside the measured one, in the trace that ``tfg run`` writes on several devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...runtime.multi_device.multi_device_plan import MultiDevicePlan
from ...runtime.passes.placement.costs.prediction import predict
from ...runtime.passes.placement.simulation.timeline import MEASURED, process
from ...runtime.summary import human_seconds
from ..common.console import note

if TYPE_CHECKING:
    from ...runtime.execution.runner import StepLoop
    from ...runtime.execution.session import Session
    from ...runtime.execution.trace import StepTrace


def simulated_beside(
    trace: StepTrace, session: Session, work: StepLoop, fed: tuple[str, ...]
) -> list[dict[str, Any]]:
    """The events of the simulated step; says how far it is from the measured one. None where the step ran on one
    device alone."""
    plan = session.plan(work.fetches, fed, work.targets)
    if not isinstance(plan, MultiDevicePlan) or session.machine is None or not trace.events:
        return []
    found = predict(trace, plan.graph, session.machine, batch=_rows(work))
    note(
        f"note: a step took {human_seconds(found.measured)}, and {human_seconds(found.simulated)} in simulation "
        f"({found.error:+.0%})"
    )
    return [process(MEASURED, "measured"), *found.timeline(trace.origin)]


def _rows(work: StepLoop) -> int:
    """How many rows a step takes: what open dimensions of placeholders are."""
    if work.batches is not None:
        return work.batches.size
    return max([1, *(np.shape(value)[0] for value in work.feeds.values() if np.ndim(value))])
