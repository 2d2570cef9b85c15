"""Readers as state machines without threads: they take units of work from a queue and read records of them
(reader_base.cc in TensorFlow).

Requests are served one after the other. One that needs work which the queue does not have waits there, without a
thread, and goes on when the queue has it, on whatever thread that is.
"""

from __future__ import annotations

import os
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import Status, TfgError, invalid
from ...core import cancellation
from ...core.context import Pending
from ...core.failures import as_tfg_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from ....graphfmt.records.record_file import RecordStream
    from ....graphfmt.tensors import Array
    from ..data_flow.queues import Done, Queue, QueueAttempt
    from .work_formats import WorkFormat

# Key and value.
Record = tuple[bytes, bytes]

# Records that are read before a cancellation is looked for.
_AT_ONCE = 64


class ReadRequest:
    """A request for one record, or for up to ``limit`` of one unit of work.

    Attributes:
        asks: the request is just taking work from its queue, and uses what has ``arrived`` itself.
        arrived: the result of a dequeue, None while there is none.
        attempt: how it waits in the queue.
    """

    __slots__ = ("arrived", "asks", "attempt", "check", "done", "is_cancelled", "limit", "queue", "records")

    def __init__(self, queue: Queue, limit: int | None, done: Done) -> None:
        self.queue = queue
        self.limit = limit
        self.done = done
        self.records: list[Record] = []
        self.asks = False
        self.arrived: Any = None
        self.attempt: QueueAttempt | None = None
        self.is_cancelled = False
        # The step of the thread that made the request; not of one that adds work to the queue.
        self.check: Callable[[], None] | None = cancellation.check


class Reader:
    """Reads the records of units of work.

    Attributes:
        records_produced: of all units.
        units_completed: units that were read to their end.
    """

    kind = "Reader"

    def __init__(self, name: str, format: WorkFormat) -> None:
        self.name = name
        self.format = format
        self.records_produced = 0
        self.units_completed = 0
        self._units_started = 0
        self._work = ""
        self._stream: RecordStream | None = None
        # The position of the next record of the unit, and its number.
        self._offset = 0
        self._number = 0
        # The first is being served.
        self._requests: deque[ReadRequest] = deque()
        self._lock = Lock()

    def __del__(self) -> None:
        self._close()

    def read(self) -> Reader:
        """Returns the reader: the value of a reference to it."""
        return self

    def describe(self) -> str:
        """Returns a description for people."""
        return f"{self.format.op} {self.name!r} ({self.records_produced} records produced)"

    def begin(self, request: ReadRequest) -> Pending | None:
        """Serves a request, or lets it wait. Its ``done`` is called with the records, or with the error of the queue
        or of a file."""
        with self._lock:
            self._requests.append(request)
            is_first = len(self._requests) == 1
        if is_first:
            self._serve(request)
        with self._lock:
            waits = request in self._requests
        return Pending(lambda: self._cancel(request), request.queue) if waits else None

    def _serve(self, request: ReadRequest | None) -> None:
        """Serves requests until one waits for work."""
        while request is not None:
            result = self._attempt(request)
            if result is None:
                return
            request = self._finish(request, result)

    def _finish(self, request: ReadRequest, result: Any) -> ReadRequest | None:
        """Reports a result; returns the next request."""
        with self._lock:
            self._requests.popleft()
            following = self._requests[0] if self._requests else None
        if not request.is_cancelled:
            request.done(result)
        return following

    def _attempt(self, request: ReadRequest) -> Any:
        """Returns the records of a request or an error; None if it waits for work."""
        try:
            while not self._is_complete(request):
                if self._units_started == self.units_completed:
                    if not self._take_work(request):
                        return None
                    self._start(request)
                if request.is_cancelled:
                    return []
                self._read_some(request)
        except Exception as error:
            return as_tfg_error(error)
        return request.records

    def _is_complete(self, request: ReadRequest) -> bool:
        if request.limit is None:
            return bool(request.records)
        # A batch ends with its unit: it never waits with records in hand.
        has_ended = self._units_started == self.units_completed
        return len(request.records) >= request.limit or (has_ended and bool(request.records))

    def _take_work(self, request: ReadRequest) -> bool:
        """Takes a unit of work from the queue, unless it has arrived; returns False if it is to be waited for."""
        if request.arrived is not None:
            return True
        request.asks = True
        attempt = request.queue.dequeue(lambda result: self._arrive(request, result))
        with self._lock:
            request.asks = False
            request.attempt = attempt
            if request.arrived is None:
                request.check = None
            return request.arrived is not None

    def _arrive(self, request: ReadRequest, result: Any) -> None:
        """Takes the result of a dequeue, from any thread."""
        with self._lock:
            request.arrived = result
            if request.asks:
                return
        self._serve(request)

    def _start(self, request: ReadRequest) -> None:
        """Starts on the work that has arrived. Raises the error of the queue or of the file, whose unit is dropped."""
        result, request.arrived = request.arrived, None
        if isinstance(result, TfgError):
            raise result
        self._close()
        self._work, self._offset, self._number = os.fsdecode(_work_of(result)), 0, 0
        if not self.format.is_single:
            self._stream = self.format.open(self._work, 0)
            self._number = self.format.skip_header(self._stream)
            self._offset = self._stream.offset
        self._units_started += 1

    def _read_some(self, request: ReadRequest) -> None:
        """Reads records of the unit in progress, as many as the request lacks, but few enough for a cancellation to be
        noticed, or finds that it has ended. After an error, the next request tries the same record again."""
        if request.check is not None:
            request.check()
        if self._stream is None:
            self._stream = self.format.open(self._work, self._offset)
        stream, work = self._stream, os.fsencode(self._work)
        lacks = 1 if request.limit is None else request.limit - len(request.records)
        for _ in range(min(lacks, _AT_ONCE)):
            try:
                value = stream.read()
            except TfgError:
                self._close()
                raise
            if value is not None:
                request.records.append((self.format.key(work, self._offset, self._number), value))
                self.records_produced += 1
                self._number += 1
                self._offset = stream.offset
            if value is None or self.format.is_single:
                self.units_completed = self._units_started
                self._close()
                return

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _cancel(self, request: ReadRequest) -> None:
        """Gives a request up. Work that has arrived for it meanwhile is left to the next one."""
        with self._lock:
            if request not in self._requests:
                return
            request.is_cancelled = True
            if self._requests[0] is not request:
                self._requests.remove(request)
                return
            attempt = request.attempt
        if attempt is not None and request.queue.cancel(attempt):
            self._serve(self._finish(request, None))

    def reset(self) -> None:
        """Forgets the unit in progress, and counts from 0."""
        self._close()
        self.records_produced = self.units_completed = self._units_started = 0
        self._work, self._offset, self._number = "", 0, 0

    def serialize(self) -> bytes:
        """Returns the state as a ``ReaderBaseState``. Raises UNIMPLEMENTED for a format that has more state."""
        from ....graphfmt.proto.reader_state_pb2 import ReaderBaseState

        self._check_serializes("Serialize")
        return ReaderBaseState(
            work_started=self._units_started,
            work_finished=self.units_completed,
            num_records_produced=self.records_produced,
            current_work=os.fsencode(self._work),
        ).SerializeToString(deterministic=True)

    def restore(self, serialized: bytes) -> None:
        """Takes a serialized state. Raises INVALID_ARGUMENT for one that is none or contradicts itself."""
        from google.protobuf.message import DecodeError

        from ....graphfmt.proto.reader_state_pb2 import ReaderBaseState

        self._check_serializes("Restore")
        try:
            state = ReaderBaseState.FromString(serialized)
        except DecodeError as error:
            raise invalid(f"Could not parse state for {self.name}: {serialized[:40]!r}") from error
        counts = state.work_started, state.work_finished, state.num_records_produced
        shown = "work_started {}, work_finished {}, num_records_produced {}".format(*counts)
        if min(counts) < 0:
            raise invalid(f"Unexpected negative value when restoring in {self.name}: {shown}")
        if state.work_started > state.work_finished:
            raise invalid(f"Inconsistent work started vs. finished when restoring in {self.name}: {shown}")
        self.reset()
        self._units_started = self.units_completed = state.work_finished
        self.records_produced = state.num_records_produced
        self._work = os.fsdecode(state.current_work)

    def _check_serializes(self, verb: str) -> None:
        if not self.format.serializes:
            raise TfgError(Status.UNIMPLEMENTED, f"Reader {verb}State: not of a {self.format.op}")

    def save(self) -> dict[str, Array]:
        counts = self._units_started, self.units_completed, self.records_produced, self._offset, self._number
        return {
            "counts": np.array(counts, np.int64),
            "work": np.frombuffer(os.fsencode(self._work), np.uint8).copy(),
        }

    def load(self, state: dict[str, Array]) -> None:
        self._close()
        counts = [int(count) for count in state["counts"]]
        self._units_started, self.units_completed, self.records_produced, self._offset, self._number = counts
        self._work = os.fsdecode(state["work"].tobytes())


def _work_of(components: Any) -> bytes:
    """Returns the unit of work in an element of a queue. Raises INVALID_ARGUMENT for anything but one string."""
    value = np.asarray(components[0], object)
    if value.size != 1:
        raise invalid(
            f"Expected to dequeue a one-element string tensor, but its shape is {list(value.shape)}"
        )
    return value.reshape(-1)[0]


def check_work_queue(queue: Queue) -> None:
    """Raises INVALID_ARGUMENT for a queue of anything but strings."""
    if len(queue.types) != 1:
        raise invalid(
            f"Expected single component queue, but {queue.name!r} has {len(queue.types)} components"
        )
    if queue.types[0] is not dtypes.string:
        raise invalid(f"Expected queue with single string component, but {queue.name!r} has {queue.types[0]}")
