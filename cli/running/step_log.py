"""Logs of a run: lines on standard error, a table of metrics, and TensorBoard's event files."""

from __future__ import annotations

import json
import math
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...graphfmt.errors import TfgError, invalid
from ..common import console
from ..common.progress import rate_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...graphfmt.graph import Graph
    from ...runtime.checkpointing.intervals import CheckpointInterval
    from ...runtime.execution.runner import StepLoop, StepResult
    from ...runtime.execution.trace import StepTrace
    from .options import LogOptions

# Seconds between two writes of what has been logged.
_FLUSH_INTERVAL = 2.0
# The most steps that are collected before they are written.
_MOST_COLLECTED = 2000


class Row:
    """One logged step: its number, epoch, seconds since the run began, time of day, and the scalar fetches by name."""

    __slots__ = ("epoch", "result", "scalars", "seconds", "step", "wall_time")

    def __init__(self, result: StepResult, names: Sequence[str], seconds: float, wall_time: float) -> None:
        self.step = result.progress.step
        self.epoch = result.progress.position.epoch
        self.seconds = seconds
        self.wall_time = wall_time
        self.result = result
        self.scalars: Mapping[str, float] = {
            name: float(value)
            for name, value in zip(names, result.values)
            if value.ndim == 0 and value.dtype.kind in "fiub"
        }


class LogSink:
    """A place that logged steps go to; a prompt one takes each at once. Checkpoints and traced steps are for sinks that
    have a use for them."""

    is_prompt = False

    def add(self, row: Row) -> None:
        """Takes a logged step."""

    def checkpoint(self, step: int, path: str) -> None:
        """Takes note of a checkpoint that is being written."""

    def trace(self, step: int, trace: StepTrace) -> None:
        """Takes the traced steps of the run, of which the last is ``step``."""

    def flush(self) -> None:
        """Makes what was taken visible to readers."""

    def close(self) -> None:
        """Ends the log."""


class StepLog:
    """Passes every N-th step, or one every so often, to the sinks. A sink that fails is closed, and the run goes on.

    Steps are collected for a moment: written one after the other, they cost a fraction of what each costs between two
    steps, when the code and data of the log are in no cache.
    """

    def __init__(
        self, sinks: Sequence[LogSink], every: CheckpointInterval | None, names: Sequence[str]
    ) -> None:
        self._sinks = list(sinks)
        self._every = every
        self._names = names
        self._is_prompt = any(sink.is_prompt for sink in sinks)
        self._began = self._logged = self._flushed = time.monotonic()
        self._steps = 0
        self._step = 0
        self._to_wall_time = time.time() - self._began
        self._collected: list[tuple[StepResult, float]] = []

    def add(self, result: StepResult) -> None:
        """Takes the result of a finished step."""
        self._steps += 1
        now = time.monotonic()
        if self._every is not None and not self._is_due(self._every, now):
            return
        self._logged = now
        self._collected.append((result, now))
        is_late = now - self._flushed >= _FLUSH_INTERVAL
        if is_late or self._is_prompt or len(self._collected) >= _MOST_COLLECTED or _holds_arrays(result):
            self._write()
            if is_late:
                self._flushed = now
                self._each("flush")

    def checkpoint(self, step: int, path: Path) -> None:
        """Takes note of a checkpoint."""
        self._write()
        self._each("checkpoint", step, str(path))

    def trace(self, trace: StepTrace) -> None:
        """Takes the traced steps of the run."""
        self._write()
        if trace.events:
            self._each("trace", self._step, trace)

    def _is_due(self, every: CheckpointInterval, now: float) -> bool:
        if every.steps is not None:
            return self._steps % every.steps == 0
        return now - self._logged >= (every.seconds or 0)

    def _write(self) -> None:
        """Passes on what was collected."""
        collected, self._collected = self._collected, []
        for result, now in collected:
            self._step = result.progress.step
            self._each("add", Row(result, self._names, now - self._began, now + self._to_wall_time))

    def _each(self, action: str, *arguments: Any) -> None:
        for sink in list(self._sinks):
            try:
                getattr(sink, action)(*arguments)
            except TfgError as error:
                self._sinks.remove(sink)
                sink.close()
                console.print_warning(error)

    def close(self) -> None:
        """Writes what is left."""
        self._write()
        self._each("flush")
        for sink in self._sinks:
            sink.close()


def _holds_arrays(result: StepResult) -> bool:
    for value in result.values:  # noqa: SIM110 - a generator would take several times as long
        if value.ndim:
            return True
    return False


def open_step_log(options: LogOptions, loop: StepLoop, graph: Graph, labels: Sequence[str]) -> StepLog | None:
    """Opens the logs that a run asks for; None if it asks for none. Raises for a file that cannot be written."""
    from ...runtime.checkpointing.intervals import parse_interval

    sinks: list[LogSink] = []
    if options.log_every is not None:
        sinks.append(ErrorLines(loop))
    if options.metrics is not None:
        sinks.append(open_metrics(options.metrics))
    if options.logdir is not None:
        sinks.append(EventSink(options.logdir, graph, labels))
    if not sinks:
        return None
    return StepLog(sinks, None if options.log_every is None else parse_interval(options.log_every), labels)


class ErrorLines(LogSink):
    """Writes a line per logged step to standard error."""

    is_prompt = True

    def __init__(self, loop: StepLoop) -> None:
        self._total = loop.total
        self._last = (0, 0.0)

    def add(self, row: Row) -> None:
        before, self._last = self._last, (row.step, row.seconds)
        rate = (row.step - before[0]) / max(row.seconds - before[1], 1e-9) if before[0] else None
        total = f"/{self._total}" if self._total else ""
        values = [f"{name} {value:.5g}" for name, value in row.scalars.items()]
        speed = [] if rate is None else [rate_text(rate)]
        console.note("  ".join([f"step {row.step}{total}", *values, *speed]))


def open_metrics(path: Path) -> LogSink:
    """Opens a table of metrics by its suffix. Raises INVALID_ARGUMENT for another one, and as writing does."""
    if path.suffix == ".jsonl":
        return JsonLines(path)
    if path.suffix == ".csv":
        return CsvTable(path)
    raise invalid(f"--metrics {str(path)!r} must end in .jsonl or .csv")


class _TextFile(LogSink):
    """A text file that rows are appended to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("a", encoding="utf-8", newline="")
        except OSError as error:
            raise self._error(error) from error
        self.is_empty = self._file.tell() == 0

    def _error(self, error: OSError) -> TfgError:
        from ...graphfmt.files import file_error

        return file_error(error, "written", str(self._path))

    def write(self, text: str) -> None:
        try:
            self._file.write(text)
        except OSError as error:
            raise self._error(error) from error

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError as error:
            raise self._error(error) from error

    def close(self) -> None:
        # What could not be written has been reported.
        with suppress(OSError):
            self._file.close()


class JsonLines(_TextFile):
    """One JSON document per logged step."""

    def add(self, row: Row) -> None:
        values = {name: _json_number(value) for name, value in row.scalars.items()}
        document = {"step": row.step, "epoch": row.epoch, "seconds": round(row.seconds, 6), "values": values}
        self.write(json.dumps(document) + "\n")


def _json_number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


class CsvTable(_TextFile):
    """One row per logged step, under a header with the names of the values."""

    def add(self, row: Row) -> None:
        if self.is_empty:
            self.is_empty = False
            self.write(",".join(["step", "epoch", "seconds", *map(_csv_field, row.scalars)]) + "\n")
        values = map(repr, row.scalars.values())
        self.write(",".join([str(row.step), str(row.epoch), f"{row.seconds:.6f}", *values]) + "\n")


def _csv_field(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n') else text


class EventSink(LogSink):
    """TensorBoard's event files: scalars, the values of Summary operations, the graph, checkpoints, and a traced
    step."""

    def __init__(self, folder: Path, graph: Graph, labels: Sequence[str]) -> None:
        from ...graphfmt.records.event_file import EventWriter

        self._writer = EventWriter(folder)
        self._labels = labels
        self._writer.graph(graph)

    def add(self, row: Row) -> None:
        if row.scalars:
            self._writer.scalars(row.step, row.scalars, row.wall_time)
        if len(row.scalars) == len(row.result.values):
            return
        for label, value in zip(self._labels, row.result.values):
            item: Any = value[()] if value.dtype == object and value.ndim == 0 else None
            if _is_summary(item):
                self._writer.summary(row.step, item, row.wall_time)
            elif value.ndim > 0 and value.dtype.kind in "fiub":
                self._writer.histogram(row.step, label, value, row.wall_time)

    def checkpoint(self, step: int, path: str) -> None:
        self._writer.checkpoint(step, path)

    def trace(self, step: int, trace: StepTrace) -> None:
        from ...runtime.profiling.run_metadata import run_metadata

        self._writer.run_metadata(step, f"step {step}", run_metadata(trace.events))

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def _is_summary(value: object) -> bool:
    """Returns True for bytes that begin as a Summary with a value does."""
    return isinstance(value, bytes) and value[:1] == b"\n"
