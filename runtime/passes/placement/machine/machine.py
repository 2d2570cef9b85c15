"""Machines: devices, and the links between them.

    parse_devices("cpu:4,gpu:1")      this computer, with four CPU devices and a GPU
    parse_devices("cluster.pbtxt")    a machine described in a file; see ``machine_file``

Placement and partitioning use device names only, so a machine may span many tasks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from .....graphfmt.devices import LOCAL_TASK, parse_device
from .....graphfmt.errors import invalid
from .....graphfmt.files import STANDARD
from .....graphfmt.names import counted, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .....graphfmt.devices import DeviceName
    from .....graphfmt.errors import TfgError

# An upper limit that catches typing errors.
MAX_DEVICES = 256


@dataclass(frozen=True, slots=True)
class Device:
    """A device: ``name`` is full, as TensorFlow writes it; ``memory`` is in bytes, None for no limit; ``speed`` in
    floating-point operations per second; ``bandwidth``, to its own memory, in bytes per second."""

    name: str
    type: str
    memory: int | None
    speed: float
    bandwidth: float

    @property
    def parsed(self) -> DeviceName:
        return parse_device(self.name)


@dataclass(frozen=True, slots=True)
class Link:
    """A directed link between devices, by full names: ``bandwidth`` in bytes per second, ``latency`` in seconds."""

    source: str
    target: str
    bandwidth: float
    latency: float

    def time(self, size: float) -> float:
        """Returns the seconds of a transfer of ``size`` bytes."""
        return self.latency + size / self.bandwidth


@dataclass(frozen=True)
class Machine:
    """Devices with distinct names, and a link from each to each other."""

    devices: tuple[Device, ...]
    links: tuple[Link, ...] = ()

    @cached_property
    def index(self) -> Mapping[str, Device]:
        """Returns the devices by name."""
        return {device.name: device for device in self.devices}

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(device.name for device in self.devices)

    @cached_property
    def device_types(self) -> tuple[str, ...]:
        """Returns the distinct device types, in the order of the devices."""
        return tuple(dict.fromkeys(device.type for device in self.devices))

    @cached_property
    def _link_index(self) -> Mapping[tuple[str, str], Link]:
        return {(link.source, link.target): link for link in self.links}

    def link(self, source: str, target: str) -> Link:
        """Returns the link between two different devices. Raises KeyError where there is none."""
        return self._link_index[source, target]

    def transfer_time(self, source: str, target: str, size: float) -> float:
        """The seconds that so many bytes take from one device to another; 0 within a device."""
        return 0.0 if source == target else self._link_index[source, target].time(size)


@dataclass(frozen=True, slots=True)
class _DeviceFigures:
    """Default cost-model figures of a device without a description."""

    speed: float
    bandwidth: float


# Orders of magnitude: one core at matrix products, and a data-centre GPU of some years ago.
_DEFAULTS = {"CPU": _DeviceFigures(50e9, 10e9), "GPU": _DeviceFigures(10e12, 500e9)}
# Between CPU devices of one computer, a tensor is handed over at the rendezvous, and its reader loads it into
# its own caches; to and from a GPU it goes over PCI Express.
_HAND_OVER = (10e9, 30e-6)
_PCI_EXPRESS = (12e9, 20e-6)

_ITEM = re.compile(r"([A-Za-z][A-Za-z0-9_]*)(?::(.*))?")
_SPEC = re.compile(r"\s*[A-Za-z][A-Za-z0-9_]*\s*(?::[^/.]*)?(?:,[^/]*)?")


def is_machine_file(spec: str) -> bool:
    """Returns True for the name of a file, False for counts of devices, right or wrong."""
    if not spec.strip():
        return False
    return spec == STANDARD or not _SPEC.fullmatch(spec) or (len(spec) < 256 and Path(spec).is_file())


def parse_devices(spec: str) -> Machine:
    """Parses the argument of ``--devices``: ``cpu:2``, ``cpu:4,gpu:1`` (``cpu`` means ``cpu:1``), or the name of a
    file that describes a machine (``-`` for standard input).

    A machine given by counts has default figures and no memory limits. Raises INVALID_ARGUMENT, located in the
    file if there is one, and NOT_FOUND and similar for an unreadable file.
    """
    if not spec.strip():
        raise invalid("--devices names no device", hint=_EXAMPLES)
    if is_machine_file(spec):
        from .machine_file import read_machine

        return read_machine(spec)
    counts: dict[str, int] = {}
    for item in spec.split(","):
        kind, count = _counted(item.strip(), spec)
        if kind in counts:
            raise _refused(spec, f"{kind.lower()} is given twice")
        counts[kind] = count
    devices = [default_device(kind, i) for kind, count in counts.items() for i in range(count)]
    if len(devices) > MAX_DEVICES:
        raise _refused(spec, f"{len(devices)} devices are more than {MAX_DEVICES}")
    return Machine(tuple(devices), tuple(_links(devices)))


def _counted(item: str, spec: str) -> tuple[str, int]:
    match = _ITEM.fullmatch(item)
    if match is None:
        raise _refused(spec, f"{_cut(item)!r} is not of the form cpu:2")
    kind = match[1].upper()
    if kind not in _DEFAULTS:
        types = [known.lower() for known in _DEFAULTS]
        message = f"unknown device type {_cut(match[1])!r}; there are {' and '.join(types)}"
        raise _refused(spec, message, did_you_mean(match[1].lower(), types))
    text = "1" if match[2] is None else match[2].strip()
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= MAX_DEVICES:
        raise _refused(spec, f"{_cut(text)!r} is not a number of devices from 1 to {MAX_DEVICES}")
    return kind, int(text)


_EXAMPLES = "write for example cpu:2 or cpu:4,gpu:1, or name a file that describes devices and links"


def _refused(spec: str, message: str, hint: str | None = None) -> TfgError:
    return invalid(f"--devices {_cut(spec)}: {message}", hint=hint or _EXAMPLES)


def _cut(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


def default_device(kind: str, number: int) -> Device:
    """Returns a local device with the default cost-model figures."""
    return default_device_named(str(LOCAL_TASK._replace(type=kind, id=number)))


def default_device_named(name: str) -> Device:
    """Returns a CPU or GPU device of any task, by its full name, with the default cost-model figures."""
    kind = parse_device(name).type or ""
    figures = _DEFAULTS[kind]
    return Device(name, kind, None, figures.speed, figures.bandwidth)


def _links(devices: list[Device]) -> list[Link]:
    return [
        Link(a.name, b.name, *(_HAND_OVER if a.type == b.type == "CPU" else _PCI_EXPRESS))
        for a in devices
        for b in devices
        if a is not b
    ]


def device_list(machine: Machine) -> str:
    """Returns the device names for a message, shortened if there are many."""
    shown = [str(device.parsed) for device in machine.devices[:8]]
    rest = len(machine.devices) - len(shown)
    return ", ".join(shown) + (f" and {counted(rest, 'device')} more" if rest else "")
