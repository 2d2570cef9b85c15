"""The results of ``tfg run``: fetched values printed or saved, progress, traces and profiles."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from ...graphfmt.files import write_file
from ..common import console
from ..common.progress import RunProgress
from ..common.report import print_step, print_step_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...runtime.execution.runner import StepLoop, StepResult
    from ...runtime.execution.session import Session
    from ...runtime.execution.trace import StepTrace
    from .options import RunOptions
    from .saved_fetches import SavedFetch, SavedFetches
    from .step_log import StepLog
    from .step_request import RunRequest


class Results:
    """Takes the results of steps: prints JSON and progress at once, and prints or saves the fetches at the end."""

    def __init__(
        self,
        options: RunOptions,
        request: RunRequest,
        loop: StepLoop,
        saved: SavedFetches | None,
        log: StepLog | None = None,
    ) -> None:
        self._options = options
        self._request = request
        self._last: StepResult | None = None
        self._saved = saved
        self._log = log
        shows_progress = console.is_terminal() and (loop.total or 2) > 1 and not _streams(options)
        self._progress = RunProgress(loop) if shows_progress else None

    def add(self, result: StepResult) -> None:
        """Takes the result of a finished step."""
        if self._log is not None:
            self._log.add(result)
            # The fetches that are for the log alone come last.
            if len(result.values) > len(self._request.labels):
                result = result._replace(values=result.values[: len(self._request.labels)])
        self._last = result
        if self._saved is not None:
            self._saved.add(result)
        if self._options.as_json:
            labels = self._request.for_worker(result.worker).labels
            print_step_json(result.progress.step, labels, result.values)
        if self._progress is not None:
            self._progress.update(result)

    def log_checkpoint(self, step: int) -> None:
        """Writes into the logs that a checkpoint was taken."""
        path = self._options.checkpoint.checkpoint
        if self._log is not None and path is not None:
            self._log.checkpoint(step, path)

    def log_trace(self, trace: StepTrace | None) -> None:
        """Writes the last traced step into the logs."""
        if self._log is not None and trace is not None:
            self._log.trace(trace)

    def close_progress(self) -> None:
        """Ends the display of the progress."""
        if self._progress is not None:
            self._progress.close()

    def report(self) -> dict[str, Any]:
        """Saves the fetches of all steps, or prints those of the last.

        Returns what the last JSON document tells of the file.
        """
        last = self._last
        if self._saved is not None:
            return self._report_saved(self._saved.save())
        if last is not None and not self._options.as_json:
            print_step(self._request.for_worker(last.worker).labels, last.values)
        return {}

    def _report_saved(self, fetches: Sequence[SavedFetch]) -> dict[str, Any]:
        output = str(self._options.result.output)
        if self._options.verbose and not self._options.as_json:
            for fetch in fetches:
                console.note(f"{output}: {fetch.name} {fetch.how} {list(fetch.shape or ())}")
        described = {
            fetch.name: {"how": fetch.how, "shape": None if fetch.shape is None else list(fetch.shape)}
            for fetch in fetches
        }
        return {"saved": {"file": output, "fetches": described}}

    def close(self) -> None:
        """Deletes what is kept on disk for the file, and ends the logs."""
        if self._log is not None:
            self._log.close()
        if self._saved is not None:
            self._saved.close()


def _streams(options: RunOptions) -> bool:
    """Returns True if a line per step goes to the terminal, between which the progress would be lost."""
    return options.as_json and sys.stdout.isatty()


def write_trace(
    trace: StepTrace, options: RunOptions, session: Session, loop: StepLoop, request: RunRequest
) -> None:
    """Writes the trace file."""
    from ...runtime.profiling.chrome_trace import chrome_trace

    document = chrome_trace(trace)
    if session.machine is not None and options.step.workers == 1:
        from .simulated_trace import simulated_events

        document["traceEvents"] += simulated_events(trace, session, loop, request.fed)
    assert options.result.trace is not None
    write_file(options.result.trace, json.dumps(document).encode())
