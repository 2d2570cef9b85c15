"""Kernels on a GPU: which operations run there, which of their tensors stay in host memory, and the transfers.

Kernels are the same for numpy and CuPy. Shapes, axes and sizes stay on the host, where kernels look at them, as in
TensorFlow (HostMemory); all other inputs and outputs are in device memory. Each declaration states its own traits for
this (``registry.Op``: ``gpu``, ``host_inputs``, ``host_outputs``, ``computed_on_host``, ``expands``). Small values in
host memory are computed with on the host until they meet a value of the device, so that the arithmetic of shapes and
counters never waits for it.

``tests/gpu`` runs the rows of all supported operations on a GPU, or on arrays as strict as CuPy's.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .binding import Inline
from .traits import GpuSupport, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ...graphfmt.dtypes import DType
    from ...graphfmt.signatures import Arg, Bound
    from .facts import Fact
    from .registry import Op

    Place = Callable[[Any], Any]

# Values of at most this many elements stay in host memory until a kernel needs them on the device.
SMALL = 64


def supports(op: Op) -> bool:
    """True if a GPU runs an operation, on tensors of the dtypes that it holds (``is_on_gpu``)."""
    if op.is_control_flow:
        return True
    if op.kernel_function is op.bind_function is None or op.gpu is GpuSupport.NONE:
        return False
    return op.gpu is GpuSupport.STATE or not (op.stateful or op.asynchronous or op.takes_context)


def supports_types(op: Op, types: Iterable[DType]) -> bool:
    """True if it does so for tensors of these dtypes: references and handles are for what holds state."""
    has_state = op.gpu is GpuSupport.STATE
    return all(
        is_on_gpu(dtype.base) and (not dtype.is_ref or has_state or op.is_control_flow)
        if dtype.name != "resource"
        else has_state
        for dtype in types
    )


def is_on_gpu(dtype: DType) -> bool:
    """Whether the memory of a GPU holds tensors of this dtype: booleans and numbers that CuPy computes with."""
    return not dtype.is_opaque and not dtype.is_quantized and dtype.numpy.isbuiltin == 1


def inputs_on_host(op: Op, bound: Bound) -> list[bool]:
    """For each input tensor, True if the kernel wants it in host memory."""
    everything = _is_computed_on_host(op, bound)
    return [
        everything or not is_on_gpu(dtype.base) or (name in op.host_inputs and dtype.is_integer)
        for name, dtype in zip(_names(op.signature.inputs, bound), bound.input_types)
    ]


def outputs_on_host(op: Op, bound: Bound) -> list[bool]:
    """For each output tensor, True if the kernel leaves it in host memory."""
    return [op.host_outputs or not is_on_gpu(dtype.base) for dtype in bound.output_types]


def _is_computed_on_host(op: Op, bound: Bound) -> bool:
    """True if the host computes it in any case, as it does with dtypes that a GPU does not hold (a value is sent
    as bfloat16)."""
    tensors = (*bound.input_types, *bound.output_types)
    return op.computed_on_host or any(
        not is_on_gpu(dtype.base) and dtype.name != "resource" for dtype in tensors
    )


def _names(arguments: Sequence[Arg], bound: Bound) -> list[str]:
    return [arg.name for arg in arguments for _ in arg.types(bound.attrs)]


def to_host(value: Any) -> Any:
    """A value as numpy's; of rank 0 it is a scalar. Waits for the device if it is there."""
    if not hasattr(value, "get"):
        return value
    found = value.get()
    return found if found.ndim else found[()]


def to_device(xp: Any) -> Place:
    """What takes a value to the device; resources and what is there already stay as they are."""
    asarray = xp.asarray
    host = (np.ndarray, np.generic)

    def place(value: Any) -> Any:
        return asarray(value) if isinstance(value, host) else value

    return place


def arriving(xp: Any) -> Place:
    """What takes a value that arrives from outside to the device, unless it is small or cannot be there."""
    place = to_device(xp)

    def arrive(value: Any) -> Any:
        is_large = isinstance(value, np.ndarray) and value.size > SMALL
        return place(value) if is_large and value.dtype.isbuiltin == 1 and value.dtype != object else value

    return arrive


class Departed:
    """A value on its way from a device. Whoever receives it takes it when it is computed, on a stream of their own:
    the device that sent it goes on meanwhile."""

    __slots__ = ("_computed", "_device", "_origin", "_value", "_xp")

    def __init__(self, xp: Any, value: Any) -> None:
        self._xp = xp
        self._value = value
        self._device = value.device
        self._origin = xp.cuda.get_current_stream()
        self._computed = self._origin.record()

    def to_host(self) -> Any:
        """The value as numpy's; waits for it."""
        stream = _copying(self._xp, self._device.id)
        with self._device, stream:
            stream.wait_event(self._computed)
            return to_host(self._value)

    def to_device(self, xp: Any) -> Any:
        """The value in the memory of the device that the caller works on, at once: its stream will wait."""
        stream = xp.cuda.get_current_stream()
        stream.wait_event(self._computed)
        if xp.cuda.Device() == self._device:
            return self._value
        copied = xp.array(self._value)
        # Until it is copied, nothing else may take the memory of what was sent.
        self._origin.wait_event(stream.record())
        return copied


@cache
def _copying(xp: Any, device: int) -> Any:
    """The stream on which values leave a device for the host."""
    with xp.cuda.Device(device):
        return xp.cuda.Stream(non_blocking=True)


def landed(value: Any) -> Any:
    """A received value as the host has it."""
    return value.to_host() if type(value) is Departed else value


def _send(xp: Any, kernel: Any) -> Any:
    """The kernel of a send for a device: what is on it departs."""

    def send(ctx: Any, value: Any) -> Any:
        return kernel(ctx, Departed(xp, value) if isinstance(value, xp.ndarray) else value)

    return send


def _constant(xp: Any, array: Any) -> Place:
    """Takes a large constant to the device once, when it is first needed."""
    made: list[Any] = []

    def place(value: Any) -> Any:
        if not made:
            made.append(xp.asarray(array))
        return made[0]

    return place


def adapted(op: Op, bound: Bound, facts: Sequence[Fact], xp: Any, kernel: Any, on_host: Any) -> Any:
    """A kernel for the device that takes values wherever they are. ``facts`` are those of the inputs, ``on_host`` is
    the same kernel bound for numpy."""
    if op.role is Role.SEND:
        return _send(xp, kernel)
    if isinstance(kernel, Inline) or op.is_control_flow or op.role is Role.RECV:
        return kernel
    if _is_computed_on_host(op, bound):
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


def _move(xp: Any, fact: Fact, place: Place, is_on_host: bool) -> Place:
    """What brings an input to where the kernel wants it."""
    if is_on_host:
        return to_host
    known = fact.constant
    return place if known is None or known.size <= SMALL else _constant(xp, known)


def _is_small_on_host(value: Any) -> bool:
    return isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.size <= SMALL)
