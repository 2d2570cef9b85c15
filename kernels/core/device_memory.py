"""Kernels on a GPU: they take values from either memory, host or device, and transfers are made as they need.

Kernels are the same for numpy and CuPy. Small values in host memory are computed with on the host until they meet a
value of the device, so that the arithmetic of shapes and counters never waits for it.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .binding import Inline
from .device_support import inputs_on_host, is_computed_on_host, outputs_on_host
from .traits import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...graphfmt.signatures import Bound
    from .facts import Fact
    from .registry import Op

    Move = Callable[[Any], Any]

# Values of at most this many elements stay in host memory until a kernel needs them on the device.
SMALL = 64


def to_host(value: Any) -> Any:
    """Returns a value as numpy's, a scalar if of rank 0. Waits for the device if the value is there."""
    if not hasattr(value, "get"):
        return value
    found = value.get()
    return found if found.ndim else found[()]


def to_device(xp: Any) -> Move:
    """Returns a function that copies host arrays to the device and leaves other values (resources) as they are."""
    asarray = xp.asarray
    host = (np.ndarray, np.generic)

    def place(value: Any) -> Any:
        return asarray(value) if isinstance(value, host) else value

    return place


def large_to_device(xp: Any) -> Move:
    """Returns a function that copies a received or fed array to the device if it is large and of a dtype that can
    be there."""
    place = to_device(xp)

    def arrive(value: Any) -> Any:
        is_large = isinstance(value, np.ndarray) and value.size > SMALL
        return place(value) if is_large and value.dtype.isbuiltin == 1 and value.dtype != object else value

    return arrive


class SentValue:
    """A value sent from a device. The receiver waits for it on a stream of its own, so that the sending device
    goes on meanwhile."""

    __slots__ = ("_computed", "_device", "_origin", "_value", "_xp")

    def __init__(self, xp: Any, value: Any) -> None:
        self._xp = xp
        self._value = value
        self._device = value.device
        self._origin = xp.cuda.get_current_stream()
        self._computed = self._origin.record()

    def to_host(self) -> Any:
        """Returns the value as numpy's; waits for it."""
        stream = _copying(self._xp, self._device.id)
        with self._device, stream:
            stream.wait_event(self._computed)
            return to_host(self._value)

    def to_device(self, xp: Any) -> Any:
        """Returns the value in the memory of the current device, at once: the device's stream will wait for it."""
        stream = xp.cuda.get_current_stream()
        stream.wait_event(self._computed)
        if xp.cuda.Device() == self._device:
            return self._value
        copied = xp.array(self._value)
        # The memory of the sent value must not be reused before it is copied.
        self._origin.wait_event(stream.record())
        return copied


@cache
def _copying(xp: Any, device: int) -> Any:
    """Returns the stream for copies from a device to the host."""
    with xp.cuda.Device(device):
        return xp.cuda.Stream(non_blocking=True)


def received_value(value: Any) -> Any:
    """Returns a received value in host memory."""
    return value.to_host() if type(value) is SentValue else value


def _send(xp: Any, kernel: Any) -> Any:
    """Returns the kernel of a send: values in device memory become SentValues."""

    def send(ctx: Any, value: Any) -> Any:
        return kernel(ctx, SentValue(xp, value) if isinstance(value, xp.ndarray) else value)

    return send


def _constant(xp: Any, array: Any) -> Move:
    """Returns a function that copies a large constant to the device once, when it is first needed."""
    made: list[Any] = []

    def place(value: Any) -> Any:
        if not made:
            made.append(xp.asarray(array))
        return made[0]

    return place


def adapt_kernel(op: Op, bound: Bound, facts: Sequence[Fact], xp: Any, kernel: Any, on_host: Any) -> Any:
    """Returns a kernel that takes values from either memory.

    Args:
        facts: those of the inputs.
        kernel: the kernel bound for the device.
        on_host: the same kernel bound for numpy.
    """
    if op.role is Role.SEND:
        return _send(xp, kernel)
    if isinstance(kernel, Inline) or op.is_control_flow or op.role is Role.RECV:
        return kernel
    if is_computed_on_host(op, bound):
        kernel = on_host
    place = to_device(xp)
    moves = [_move(xp, fact, place, host) for fact, host in zip(facts, inputs_on_host(op, bound))]
    given = [None if host else place for host in outputs_on_host(op, bound)]
    is_one = len(given) == 1 and not op.signature.outputs[0].is_list
    stays = not op.stateful and not op.takes_context and not op.expands
    stays = stays and bool(moves) and not any(dtype.is_ref for dtype in bound.input_types)
    first = 1 if op.takes_context else 0

    def finish(results: Any) -> Any:
        if is_one:
            return results if given[0] is None else given[0](results)
        return [value if move is None else move(value) for value, move in zip(results or (), given)]

    def call(*values: Any) -> Any:
        inputs = values[first:]
        if stays and all(map(_is_small_on_host, inputs)):
            found = on_host(*inputs)
            results = (found,) if is_one else found or ()
            return found if all(map(_is_small_on_host, results)) else finish(found)
        return finish(kernel(*values[:first], *[move(value) for move, value in zip(moves, inputs)]))

    return call


def _move(xp: Any, fact: Fact, place: Move, is_on_host: bool) -> Move:
    """Returns a function that brings an input to the memory that the kernel wants it in."""
    if is_on_host:
        return to_host
    known = fact.constant
    return place if known is None or known.size <= SMALL else _constant(xp, known)


def _is_small_on_host(value: Any) -> bool:
    return isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.size <= SMALL)
