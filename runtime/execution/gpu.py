"""A GPU as a device of a session: its arrays, the stream on which its part of every step is issued, its memory.

CuPy is imported here and nowhere else. Its memory pool allocates as arrays need, up to a limit, and keeps what they
free. Kernels are launched asynchronously: the host waits only for a value that it needs itself.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ...graphfmt.errors import Status, TfgError, invalid
from ...graphfmt.names import counted
from ...graphfmt.units import SIZE_UNITS
from ...kernels.core import device_memory
from ..passes.placement.machine.machine import default_device
from .step import Step

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from ...graphfmt.graph import Node
    from ..passes.placement.machine.machine import Device, Machine

_HINT = "pip install 'tfg[gpu]' on a machine with an NVIDIA GPU, or leave gpu out of --devices"

# Floating point operations that a multiprocessor does in a cycle: one multiplication with an addition per core.
_PER_CYCLE = 2 * 128


class Gpu:
    """A GPU of a session. ``xp`` is CuPy or a substitute; ``limit`` is the number of bytes of its memory that may be
    used, None for all."""

    def __init__(self, name: str, number: int, xp: Any) -> None:
        self.name = name
        self.xp = xp
        self._device = xp.cuda.Device(number)
        with self._device:
            self.stream = xp.cuda.Stream(non_blocking=True)
        self._large_to_device = device_memory.large_to_device(xp)
        self.limit: int | None = None
        self._earlier_limit: int | None = None

    @contextmanager
    def working(self) -> Generator[None]:
        """Issues the kernels that this thread launches on the GPU's own stream."""
        with self._device, self.stream:
            yield

    def arrived(self, value: Any) -> Any:
        """A value from outside, copied to the device unless it is small; to be called within ``working``. Raises
        RESOURCE_EXHAUSTED if there is no room for it."""
        try:
            return (
                value.to_device(self.xp)
                if isinstance(value, device_memory.SentValue)
                else self._large_to_device(value)
            )
        except MemoryError as error:
            raise TfgError(Status.RESOURCE_EXHAUSTED, f"out of memory on {self.name}: {error}") from error

    def to_host(self, values: Sequence[Any]) -> list[Any]:
        """Values as numpy arrays; waits for those that are on the device."""
        with self.working():
            return [device_memory.to_host(value) for value in values]

    def timed(self, step: Step) -> Step:
        """A copy of a step whose nodes are recorded as ended when the device has computed them."""
        own = _TimedStep.__new__(_TimedStep)
        for name in Step.__slots__:
            setattr(own, name, getattr(step, name))
        own.gpu = self
        return own

    def claim(self) -> None:
        """Limits the memory pool, which is that of the whole process, until ``close``."""
        if self.limit is not None:
            with self._device:
                pool = self.xp.get_default_memory_pool()
                self._earlier_limit = pool.get_limit()
                pool.set_limit(size=self.limit)

    def close(self) -> None:
        """Restores the limit that the memory pool had before."""
        if self._earlier_limit is not None:
            with self._device:
                self.xp.get_default_memory_pool().set_limit(size=self._earlier_limit)
            self._earlier_limit = None

    def total_memory(self) -> int:
        """The GPU's memory in bytes, used or not."""
        _, total = self._device.mem_info
        return total

    def described(self, device: Device) -> Device:
        """The device with the figures that the driver reports: memory, speed and bandwidth."""
        found: Mapping[str, Any] = self.xp.cuda.runtime.getDeviceProperties(self._device.id)
        clock, width = found.get("clockRate"), found.get("memoryBusWidth")
        if not clock or not width or not found.get("memoryClockRate"):
            return replace(device, memory=self.limit or self.total_memory())
        # Clocks are in kHz, the bus is in bits, and memory moves at both edges of its clock.
        speed = found["multiProcessorCount"] * _PER_CYCLE * clock * 1e3
        bandwidth = 2e3 * found["memoryClockRate"] * width / 8
        return replace(device, memory=self.limit or self.total_memory(), speed=speed, bandwidth=bandwidth)


def with_measured_figures(machine: Machine, gpus: Mapping[str, Gpu]) -> Machine:
    """The machine with the figures of the GPUs' driver, for the GPUs that the machine gives no figures of."""
    devices = [
        gpus[device.name].described(device)
        if device.name in gpus and device == default_device("GPU", device.parsed.id or 0)
        else device
        for device in machine.devices
    ]
    return replace(machine, devices=tuple(devices))


class _TimedStep(Step):
    __slots__ = ("gpu",)
    gpu: Gpu

    def record(self, node: Node, *outputs: Any) -> None:
        self.gpu.stream.synchronize()
        super().record(node, *outputs)

    def within(self, iteration: str) -> Step:
        return self.gpu.timed(super().within(iteration))


class GpuOptions(NamedTuple):
    """Options of a session with GPUs.

    ``memory_limit`` is the share of each GPU's memory that it may use, such as ``80%``, ``8GiB`` or a number of bytes;
    the default is the machine's own limit, if it has one. ``array_module`` is used in place of CuPy.
    """

    memory_limit: str | int | None = None
    array_module: Any = None


def open_gpus(machine: Machine, options: GpuOptions) -> dict[str, Gpu]:
    """The GPUs of a machine, by name.

    Raises:
        TfgError: FAILED_PRECONDITION if CuPy or a GPU is missing, INVALID_ARGUMENT for an ill-formed limit.
    """
    wanted = [device for device in machine.devices if device.type == "GPU"]
    if not wanted:
        return {}
    names = ", ".join(device.name for device in wanted)
    xp, limit = options.array_module or _cupy(names), options.memory_limit
    present = _count(xp, names)
    found: dict[str, Gpu] = {}
    for device in wanted:
        number = device.parsed.id or 0
        if number >= present:
            raise _missing(device.name, f"there {'is' if present == 1 else 'are'} {counted(present, 'GPU')}")
        gpu = found[device.name] = Gpu(device.name, number, xp)
        gpu.limit = device.memory if limit is None else memory_limit(limit, gpu.total_memory())
    return found


def memory_limit(text: str | int, total: int) -> int:
    """Returns the bytes that ``80%``, ``8000000000`` or ``8 GiB`` of a GPU with ``total`` bytes are. Raises
    INVALID_ARGUMENT for anything else."""
    match = _LIMIT.fullmatch(str(text).strip())
    amount = float(match[1]) if match else 0.0
    unit = match[2].lower() if match else ""
    if not amount or (unit == "%" and amount > 100):
        raise invalid(
            f"{text!r} is no limit of a GPU's memory", hint="write bytes, 8GiB, or per cent such as 80%"
        )
    return int(amount * (total / 100 if unit == "%" else SIZE_UNITS[unit]))


_LIMIT = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)\s*(%|[kmgt]i?b|b|)", re.IGNORECASE)


def _cupy(wanted: str) -> Any:
    try:
        import cupy  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise _missing(wanted, f"CuPy cannot be imported ({error})") from None
    return cupy


def _count(xp: Any, wanted: str) -> int:
    """The number of GPUs. CUDA raises if there is no driver."""
    try:
        found = xp.cuda.runtime.getDeviceCount()
    except RuntimeError as error:
        raise _missing(wanted, str(error)) from None
    if not found:
        raise _missing(wanted, "there is no GPU")
    return found


def _missing(wanted: str, why: str) -> TfgError:
    return TfgError(Status.FAILED_PRECONDITION, f"{wanted} cannot be used: {why}", hint=_HINT)
