"""A transport for tasks that live in one process: messages are encoded and decoded as on a wire, but go nowhere."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from .messages import decode, encode
from .transport import Peer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .transport import Arrived, Parcel


class MemoryNetwork:
    """The connections between tasks of one process. ``cut`` are the (sender, receiver) pairs between which messages
    are lost."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._receivers: dict[str, Arrived] = {}
        self.cut: set[tuple[str, str]] = set()
        self.messages = 0

    def join(self, task: str, arrived: Arrived) -> MemoryTransport:
        """The transport of a task; ``arrived`` takes what is sent to it."""
        with self._lock:
            self._receivers[task] = arrived
        return MemoryTransport(self, task)

    def leave(self, task: str) -> None:
        """Drops all later messages to a task."""
        with self._lock:
            self._receivers.pop(task, None)

    def carry(self, sender: str, receiver: str, step: int, parcels: Sequence[Parcel]) -> None:
        """Takes a message to its receiver, if it is there."""
        frames = [bytes(frame) for frame in encode(step, parcels)]
        with self._lock:
            self.messages += 1
            arrived = None if (sender, receiver) in self.cut else self._receivers.get(receiver)
        if arrived is not None:
            arrived(*decode(frames))


class MemoryTransport:
    """Implements ``Transport``."""

    def __init__(self, network: MemoryNetwork, task: str) -> None:
        self._network = network
        self._task = task

    @property
    def peer(self) -> Peer:
        return Peer(self._task)

    def connect(self, peers: Mapping[str, Peer]) -> None:
        pass

    def send(self, task: str, step: int, parcels: Sequence[Parcel]) -> None:
        self._network.carry(self._task, task, step, parcels)

    def close(self) -> None:
        self._network.leave(self._task)
