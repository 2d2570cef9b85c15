"""Event files, which TensorBoard shows: Event messages as records."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..files import file_error
from ..proto import event_pb2
from .record_file import framed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..graph import Graph
    from ..tensors import Array

_VERSION = "brain.Event:2"
# HistogramProto's limits, as TensorFlow makes them: powers of 1.1 from 1e-12.
_SMALLEST, _LARGEST, _GROWTH = 1e-12, 1e20, 1.1


class EventWriter:
    """Writes an event file into a folder, which is made if necessary. Files of one folder continue each other.
    ``wall_time`` is in seconds since 1970; now, if not given.

    Raises the TfgError of a system call that fails: NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED.
    """

    def __init__(self, folder: str | Path) -> None:
        self._tags: tuple[str, ...] = ()
        self._scalars = event_pb2.Event()
        self._targets: list[event_pb2.Summary.Value] = []
        host = socket.gethostname()
        # The process number tells two runs of the same second apart.
        self.path = Path(folder) / f"events.out.tfevents.{int(time.time()):010d}.{host}.{os.getpid()}.tfg"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab")
        except OSError as error:
            raise file_error(error, "written", str(self.path)) from error
        self._write(event_pb2.Event(file_version=_VERSION), 0)

    def graph(self, graph: Graph) -> None:
        """Writes the graph, for TensorBoard's graph page."""
        from ..proto.binary import graph_to_bytes

        self._write(event_pb2.Event(graph_def=graph_to_bytes(graph)), 0)

    def scalars(self, step: int, values: Mapping[str, float], wall_time: float | None = None) -> None:
        """Writes one value per tag."""
        tags = tuple(values)
        if tags != self._tags:
            # Steps have the same tags, so that one message serves them all.
            self._tags, self._scalars = tags, event_pb2.Event()
            self._targets = [self._scalars.summary.value.add(tag=tag) for tag in tags]
        for target, value in zip(self._targets, values.values()):
            target.simple_value = value
        self._write(self._scalars, step, wall_time)

    def summary(self, step: int, serialized: bytes, wall_time: float | None = None) -> None:
        """Writes a serialized Summary, the output of a Summary operation. Raises DATA_LOSS for any other bytes."""
        from ..proto.binary import parse_message

        message = parse_message(event_pb2.Summary(), serialized, "the value of a Summary operation")
        self._write(event_pb2.Event(summary=message), step, wall_time)

    def histogram(self, step: int, tag: str, values: Array, wall_time: float | None = None) -> None:
        """Writes the distribution of the finite elements of an array."""
        event = event_pb2.Event()
        _fill_histogram(event.summary.value.add(tag=tag).histo, values)
        self._write(event, step, wall_time)

    def checkpoint(self, step: int, path: str) -> None:
        """Writes that a checkpoint was saved."""
        log = event_pb2.SessionLog(status=event_pb2.SessionLog.CHECKPOINT, checkpoint_path=path)
        self._write(event_pb2.Event(session_log=log), step)

    def run_metadata(self, step: int, tag: str, serialized: bytes) -> None:
        """Writes a serialized RunMetadata, for the list of runs on TensorBoard's graph page."""
        tagged = event_pb2.TaggedRunMetadata(tag=tag, run_metadata=serialized)
        self._write(event_pb2.Event(tagged_run_metadata=tagged), step)

    def _write(self, event: event_pb2.Event, step: int, wall_time: float | None = None) -> None:
        event.wall_time = time.time() if wall_time is None else wall_time
        event.step = step
        try:
            self._file.write(framed(event.SerializeToString(deterministic=True)))
        except OSError as error:
            raise file_error(error, "written", str(self.path)) from error

    def flush(self) -> None:
        """Makes what was written visible to readers."""
        try:
            self._file.flush()
        except OSError as error:
            raise file_error(error, "written", str(self.path)) from error

    def close(self) -> None:
        """Closes the file; raises nothing for what could not be written, which ``flush`` reports."""
        with suppress(OSError):
            self._file.close()


def _fill_histogram(target: event_pb2.HistogramProto, values: Array) -> None:
    numbers = np.asarray(values, np.float64).reshape(-1)
    numbers = numbers[np.isfinite(numbers)]
    if not numbers.size:
        return
    target.min, target.max = float(numbers.min()), float(numbers.max())
    target.num = float(numbers.size)
    target.sum, target.sum_squares = float(numbers.sum()), float(np.square(numbers).sum())
    limits = _bucket_limits()
    counts = np.bincount(np.searchsorted(limits, numbers, side="right"), minlength=limits.size + 1)
    counts[-2] += counts[-1]
    counts = counts[:-1]
    # Of a run of empty buckets the last is kept: it bounds the next one from below.
    kept = (counts > 0) | np.append(counts[1:] > 0, False)
    target.bucket_limit.extend(limits[kept].tolist())
    target.bucket.extend(counts[kept].astype(np.float64).tolist())


def _bucket_limits() -> Array:
    count = int(np.log(_LARGEST / _SMALLEST) / np.log(_GROWTH)) + 1
    positive = _SMALLEST * _GROWTH ** np.arange(count)
    return np.concatenate([-positive[::-1], [0.0], positive, [np.finfo(np.float64).max]])
