"""Devices of placed graphs, resolved against a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....graphfmt.devices import parse_device
from ....graphfmt.errors import TfgError, invalid
from .machine.machine import device_list

if TYPE_CHECKING:
    from ....graphfmt.graph import Graph, Node
    from .machine.machine import Machine


def resolve_devices(graph: Graph, machine: Machine) -> dict[str, str]:
    """Returns the full device name of every node; a partial name, such as ``/device:CPU:1``, must match exactly
    one device.

    Raises INVALID_ARGUMENT for the first node without a device, or with one that the machine does not have.
    """
    known: dict[str, str] = {}
    devices: dict[str, str] = {}
    for node in graph.nodes:
        device = known.get(node.device)
        if device is None:
            try:
                device = known[node.device] = _device(node, machine)
            except TfgError as error:
                raise graph.error_at(error, node.name) from None
        devices[node.name] = device
    return devices


def _device(node: Node, machine: Machine) -> str:
    asked = parse_device(node.device)
    fitting = [device.name for device in machine.devices if asked.matches(device.parsed)]
    if len(fitting) == 1:
        return fitting[0]
    there_are = f"the devices are {device_list(machine)}"
    if not fitting:
        message = f"node {node.name!r} is placed on {node.device}, which does not exist; {there_are}"
        raise invalid(message, hint="place the graph on this machine with tfg place")
    reason = f"the device {node.device} fits several" if node.device else "no device is given"
    raise invalid(f"node {node.name!r} is not placed: {reason}; {there_are}", hint="run tfg place first")
