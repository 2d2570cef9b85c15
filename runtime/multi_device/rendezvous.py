"""The rendezvous through which the parts of a step exchange tensors (white paper section 3.2.2).

A send leaves a value under a key and continues; a receive asks for the value under a key, before or after it is
sent. The parts share nothing else, so any transport can implement ``StepRendezvous``. The one here is for devices of
one process, where a value is handed over without a copy: kernels never write into a value that another reader holds.
"""

from __future__ import annotations

from collections import deque
from hashlib import blake2b
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from ...graphfmt.errors import Status, TfgError
from ...kernels.families.control_flow.control_flow_ops import DEAD
from ...kernels.families.control_flow.rendezvous_keys import ROOT_ITERATION, parse_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..execution.scheduler import Tag

    # Takes a value, DEAD, or the error that the step was aborted with.
    Done = Callable[[Any], None]


def iteration_id(tag: Tag) -> str:
    """``frame_id:iter_id`` of an iteration. The id of a frame is a hash of the loops around it with their
    iterations, so that all devices which take part in a loop know it by the same number."""
    if not tag:
        return ROOT_ITERATION
    frame = repr((tag[:-1], tag[-1][0])).encode("utf-8", "surrogatepass")
    return f"{int.from_bytes(blake2b(frame, digest_size=8).digest())}:{tag[-1][1]}"


class StepRendezvous(Protocol):
    """The interface that the parts of one step share. All methods may be called from any thread."""

    def send(self, key: str, value: Any, is_dead: bool) -> None:
        """Leaves a value under a key; never waits. Several values under one key are received in the order in which
        they were sent. Raises INVALID_ARGUMENT for an ill-formed key, ABORTED if the device has been restarted
        since the graph was partitioned, and the error that the step was aborted with."""
        ...

    def receive(self, key: str, done: Done) -> None:
        """Asks for the value under a key, and returns at once. ``done`` is called exactly once, from any thread,
        with the value, with DEAD, or with the TfgError that ``send`` would raise."""
        ...

    def flush(self) -> None:
        """Sends on what was kept back to travel together. Called when a part waits or ends."""
        ...

    def abort(self, error: TfgError) -> None:
        """Fails all waiting and future sends and receives; only the first error counts."""
        ...

    @property
    def error(self) -> TfgError | None:
        """The error that the step was aborted with."""
        ...

    def waiting(self) -> list[str]:
        """The keys of the receives whose value has not been sent."""
        ...


class InProcessRendezvous:
    """A rendezvous within one process. ``incarnations`` are those of the devices by name."""

    __slots__ = ("_incarnations", "_lock", "_sent", "_waiting", "error")

    def __init__(self, incarnations: Mapping[str, int]) -> None:
        self.error: TfgError | None = None
        self._incarnations = {name: number % (1 << 64) for name, number in incarnations.items()}
        self._lock = Lock()
        # Under each key either values wait to be received, or receivers wait for values.
        self._sent: dict[str, deque[Any]] = {}
        self._waiting: dict[str, deque[Done]] = {}

    def send(self, key: str, value: Any, is_dead: bool) -> None:
        self.check(key)
        if not self.put(key, DEAD if is_dead else value):
            assert self.error is not None
            raise copied(self.error)

    def put(self, key: str, value: Any) -> bool:
        """Leaves a value, or DEAD, under a key; False, and nothing, once the step has been aborted."""
        with self._lock:
            if self.error is not None:
                return False
            receivers = self._waiting.get(key)
            if receivers is None:
                self._sent.setdefault(key, deque()).append(value)
                return True
            done = receivers.popleft()
            if not receivers:
                del self._waiting[key]
        done(value)
        return True

    def flush(self) -> None:
        """Keeps nothing back."""

    def receive(self, key: str, done: Done) -> None:
        try:
            self.check(key)
            value = self._take(key, done)
        except TfgError as error:
            value = error
        if value is not _NOTHING:
            done(value)

    def _take(self, key: str, done: Done) -> Any:
        with self._lock:
            if self.error is not None:
                return copied(self.error)
            values = self._sent.get(key)
            if values is None:
                self._waiting.setdefault(key, deque()).append(done)
                return _NOTHING
            value = values.popleft()
            if not values:
                del self._sent[key]
            return value

    def abort(self, error: TfgError) -> None:
        with self._lock:
            if self.error is not None:
                return
            self.error = error
            receivers = [done for group in self._waiting.values() for done in group]
            self._waiting.clear()
            self._sent.clear()
        for done in receivers:
            done(copied(error))

    def waiting(self) -> list[str]:
        with self._lock:
            return [key for key, receivers in self._waiting.items() for _ in receivers]

    def check(self, key: str) -> None:
        """Raises for an ill-formed key, and for one of an earlier incarnation of the sending device."""
        parsed = parse_key(key)
        present = self._incarnations.get(parsed.source)
        if present is not None and present != parsed.incarnation:
            raise TfgError(
                Status.ABORTED,
                f"RecvTensor expects a different device incarnation: {parsed.incarnation} vs. {present}. Device "
                f"{parsed.source} was probably restarted since the graph was partitioned",
            )


_NOTHING = object()


def copied(error: TfgError) -> TfgError:
    """A copy of an error for each receiver, because each adds the node at which it failed."""
    return TfgError(error.status, error.message, node=error.node, location=error.location, hint=error.hint)
