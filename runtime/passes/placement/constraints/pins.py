"""Model parallel training by hand: nodes ask for the device that their scope was given."""

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
    """Reads ``hidden/*=/device:CPU:1``: which nodes, and where they are to be. Raises INVALID_ARGUMENT."""
    pattern, equals, device = text.partition("=")
    if not (pattern and equals and device):
        raise invalid(f"{text!r} is not of the form GLOB=DEVICE", hint="--pin 'hidden/*=/device:CPU:1'")
    parse_device(device)
    return pattern, device


def pin(graph: Graph, pins: Iterable[tuple[str, str]]) -> Graph:
    """The graph with devices asked for by the nodes whose names match a glob; of several globs that match, the
    last one counts. Gradients that are added later follow their nodes, slots their variables.

    Raises NOT_FOUND for a glob that matches nothing.
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
