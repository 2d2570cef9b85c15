"""The rendezvous of one step in one task: values for its own devices meet here, others go to their task.

Values for one task are collected until the sending part waits or ends, or for a moment, and travel as one message.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from ...graphfmt.errors import TfgError
from ...kernels.families.control_flow.control_flow_ops import DEAD
from ...kernels.families.control_flow.rendezvous_keys import parse_key
from ..multi_device.rendezvous import InProcessRendezvous, copied
from .task_names import task_of
from .transport import Parcel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..multi_device.rendezvous import Done
    from .flusher import Flusher
    from .transport import Transport


class TaskRendezvous:
    """Implements ``StepRendezvous``. ``incarnations`` are those of all devices of the cluster."""

    __slots__ = ("_flusher", "_here", "_lock", "_outbox", "_step", "_task", "_transport")

    def __init__(
        self, task: str, step: int, incarnations: Mapping[str, int], transport: Transport, flusher: Flusher
    ) -> None:
        self._task = task
        self._step = step
        self._transport = transport
        self._flusher = flusher
        self._here = InProcessRendezvous(incarnations)
        self._lock = Lock()
        self._outbox: dict[str, list[Parcel]] = {}

    @property
    def error(self) -> TfgError | None:
        return self._here.error

    def send(self, key: str, value: Any, is_dead: bool) -> None:
        target = task_of(parse_key(key).target)
        if target == self._task:
            self._here.send(key, value, is_dead)
            return
        self._here.check(key)
        if self._here.error is not None:
            raise copied(self._here.error)
        with self._lock:
            is_first = not self._outbox
            self._outbox.setdefault(target, []).append(Parcel(key, DEAD if is_dead else value))
        if is_first:
            self._flusher.add(self)

    def flush(self) -> None:
        if not self._outbox:
            return
        with self._lock:
            outbox, self._outbox = self._outbox, {}
        for task, parcels in outbox.items():
            self._transport.send(task, self._step, parcels)

    def flush_late(self) -> None:
        try:
            self.flush()
        except TfgError as error:
            self._here.abort(error)

    def receive(self, key: str, done: Done) -> None:
        self._here.receive(key, done)

    def arrive(self, parcels: Sequence[Parcel]) -> None:
        """Takes values that another task has sent. Those of an aborted step, or for another incarnation, are
        dropped."""
        for key, value in parcels:
            self._here.put(key, value)

    def abort(self, error: TfgError) -> None:
        self._here.abort(error)

    def waiting(self) -> list[str]:
        """The keys of the receives that wait for devices of this task alone; none if others may still send."""
        keys = self._here.waiting()
        is_alone = all(task_of(parse_key(key).source) == self._task for key in keys)
        return keys if is_alone else []
