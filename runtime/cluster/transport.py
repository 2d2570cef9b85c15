"""The interface of transports, which carry tensors from task to task.

A sender pushes: a value travels as soon as it is computed, and waits at the receiver's rendezvous until a Recv asks for
it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol


class Parcel(NamedTuple):
    """A value under a rendezvous key; DEAD for a dead one."""

    key: str
    value: Any


class Peer(NamedTuple):
    """The address at which a task receives, and the public key that it proves its identity with."""

    address: str
    public_key: bytes = b""


# Takes the parcels that arrive for a step; called from a thread of the transport.
Arrived = Callable[[int, Sequence[Parcel]], None]


class Transport(Protocol):
    """A task's connections to the other tasks. Methods may be called from any thread."""

    @property
    def peer(self) -> Peer:
        """The address and key of this task."""
        ...

    def connect(self, peers: Mapping[str, Peer]) -> None:
        """Sets the other tasks, by name; values that arrive from any other sender are dropped."""
        ...

    def send(self, task: str, step: int, parcels: Sequence[Parcel]) -> None:
        """Sends values of a step to a task; never waits for the receiver. Values sent to one task arrive in the order
        in which they were sent. Raises UNIMPLEMENTED for a value that exists in one process alone."""
        ...

    def close(self) -> None:
        """Ends all connections; what has not been sent is dropped."""
        ...
