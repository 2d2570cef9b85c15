"""The results of ``tfg run``: fetched values printed or saved, progress, traces and profiles."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt import arrays
from ...graphfmt.files import write_file
from ..common import console
from ..common.progress import ProgressLine
from ..common.report import print_step, print_step_json

if TYPE_CHECKING:
    from ...runtime.execution.runner import StepLoop, StepResult
    from ...runtime.execution.session import Session
    from ...runtime.execution.trace import StepTrace
    from .options import RunOptions
    from .step_request import RunRequest


class Results:
    """Takes the results of steps: prints JSON and progress at once, and prints or saves the fetches at the end."""

    def __init__(self, options: RunOptions, request: RunRequest, loop: StepLoop) -> None:
        self._options = options
        self._request = request
        self._last: StepResult | None = None
        self._saved: list[list[Any]] = []
        shows_progress = console.is_terminal() and (loop.total or 2) > 1
        self._progress = ProgressLine(loop) if shows_progress else None

    def add(self, result: StepResult) -> None:
        """Takes the result of a finished step."""
        self._last = result
        if self._options.result.output is not None:
            self._saved.append(result.values)
        if self._options.as_json:
            labels = self._request.for_worker(result.worker).labels
            print_step_json(result.progress.step, labels, result.values)
        if self._progress is not None:
            self._progress.update(result)

    def close_progress(self) -> None:
        """Ends the progress line."""
        if self._progress is not None:
            self._progress.close()

    def report(self) -> None:
        """Saves the fetches of all steps, or prints those of the last."""
        output, last = self._options.result.output, self._last
        if output is not None and self._saved:
            arrays.save(output, _stack_steps(self._request.labels, self._saved))
        elif last is not None and not self._options.as_json:
            print_step(self._request.for_worker(last.worker).labels, last.values)


def _stack_steps(names: tuple[str, ...], steps: list[list[Any]]) -> dict[str, Any]:
    """Returns the fetches of a single step as they are, those of several stacked along a new first axis.

    A fetch whose shape differs from step to step (a smaller last batch) has one entry per step, ``name/step``.
    """
    if len(steps) == 1:
        return dict(zip(names, steps[0]))
    stacked: dict[str, Any] = {}
    for name, series in zip(names, zip(*steps)):
        if len({value.shape for value in series}) == 1:
            stacked[name] = np.stack(series)
        else:
            stacked.update({f"{name}/{i + 1}": value for i, value in enumerate(series)})
    return stacked


def write_trace(
    trace: StepTrace, options: RunOptions, session: Session, loop: StepLoop, request: RunRequest
) -> None:
    """Writes the trace file and prints the profile, as far as they are asked for."""
    path = options.result.trace
    if path is not None:
        document = trace.chrome()
        if session.machine is not None and options.step.workers == 1:
            from .simulated_trace import simulated_events

            document["traceEvents"] += simulated_events(trace, session, loop, request.fed)
        write_file(path, json.dumps(document).encode())
    if options.result.profile:
        from ..common.report import print_profile

        print_profile(trace.costs())
