"""The simulated step in the trace of a run on several devices, for comparison with the measured step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt.units import human_seconds
from ...runtime.multi_device.multi_device_plan import MultiDevicePlan
from ...runtime.passes.placement.costs.prediction import predict
from ...runtime.passes.placement.simulation.timeline import MEASURED, process
from ..common.console import note

if TYPE_CHECKING:
    from ...runtime.execution.runner import StepLoop
    from ...runtime.execution.session import Session
    from ...runtime.execution.trace import StepTrace


def simulated_events(
    trace: StepTrace, session: Session, loop: StepLoop, fed: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Returns the events of the simulated step, and prints how far its time is from the measured one.

    Returns no events for a run on one device.
    """
    plan = session.plan(loop.fetches, fed, loop.targets)
    if not isinstance(plan, MultiDevicePlan) or session.machine is None or not trace.events:
        return []
    prediction = predict(trace, plan.graph, session.machine, batch=_batch_size(loop))
    note(
        f"note: measured step {human_seconds(prediction.measured)}, simulated step "
        f"{human_seconds(prediction.simulated)} ({prediction.error:+.0%})"
    )
    return [process(MEASURED, "measured"), *prediction.timeline(trace.origin)]


def _batch_size(loop: StepLoop) -> int:
    """Returns the rows of a step, which are the size of unknown dimensions of placeholders."""
    if loop.batches is not None:
        return loop.batches.size
    return max([1, *(np.shape(value)[0] for value in loop.feeds.values() if np.ndim(value))])
