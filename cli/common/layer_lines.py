"""Prints the layers of a graph: ``tfg show --layers``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphfmt.units import human_bytes
from ...runtime.profiling.layer_summary import summarize_layers
from .console import print_json
from .tables import print_table

if TYPE_CHECKING:
    from ...graphfmt.graph import Graph


def print_layers(path: str, graph: Graph, batch: int, *, as_json: bool) -> None:
    """Prints nodes, parameters, floating-point operations and bytes of results of every name scope."""
    layers = summarize_layers(graph, batch)
    if as_json:
        print_json({"file": path, "batch": batch, "layers": [layer._asdict() for layer in layers]})
        return
    rows = [
        (
            "  " * layer.name.count("/") + layer.name if layer.name != "/" else "/",
            str(layer.nodes),
            f"{layer.parameters:,}",
            f"{layer.flops:,.0f}",
            human_bytes(layer.activation_bytes),
        )
        for layer in layers
    ]
    print_table(
        rows, header=("scope", "nodes", "parameters", "FLOPs", "results"), right={1, 2, 3, 4}, indent=0
    )
