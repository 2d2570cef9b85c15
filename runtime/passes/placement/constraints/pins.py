"""Pins: device requests by node name, for manual model parallelism."""

from __future__ import annotations

import fnmatch
from dataclasses import replace
from typing import TYPE_CHECKING

from .....graphfmt.devices import parse_device
from .....graphfmt.errors import invalid
from .....graphfmt.names import nothing_called

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .....graphfmt.graph import Graph


def parse_pin(text: str) -> tuple[str, str]:
    """Parses ``hidden/*=/device:CPU:1`` into a glob and a device name. Raises INVALID_ARGUMENT."""
    pattern, equals, device = text.partition("=")
    if not (pattern and equals and device):
        raise invalid(f"{text!r} is not of the form GLOB=DEVICE", hint="--pin 'hidden/*=/device:CPU:1'")
    parse_device(device)
    return pattern, device


def pin(graph: Graph, pins: Iterable[tuple[str, str]]) -> Graph:
    """Returns the graph with device requests for nodes whose names match a glob; the last matching glob applies.

    Gradients that are added later follow their nodes, slots their variables. Raises NOT_FOUND for a glob
    without a match.
    """
    devices: dict[str, str] = {}
    for pattern, device in pins:
        matching = fnmatch.filter(graph.index, pattern)
        if not matching:
            raise nothing_called("node", pattern, graph.index)
        devices.update(dict.fromkeys(matching, device))
    return graph.with_nodes(
        replace(node, device=devices[node.name]) if node.name in devices else node for node in graph.nodes
    )
