"""Drawings of a placed graph (SVG, HTML), and the simulated step as a trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from ...graphfmt.files import STANDARD, write_file
from . import console
from .options import option_group
from .output_paths import check_distinct

if TYPE_CHECKING:
    from ...runtime.passes.placement.place import Placement
    from ...runtime.passes.placement.simulation.simulated_step import Simulation


class DrawingOptions(NamedTuple):
    """The drawings and the trace to write; None for those not asked for."""

    svg: Path | None
    html: Path | None
    trace: Path | None

    def check(self, output: str | None) -> None:
        """Raises UsageError for standard output, and for two outputs with one file name."""
        paths = [str(path) for path in self if path is not None]
        if STANDARD in paths:
            raise console.UsageError("drawings and traces cannot go to standard output")
        check_distinct(paths if output is None else [output, *paths])

    def write(self, placement: Placement, graph: str) -> None:
        """Writes the files; ``graph`` is the path that gives the drawing its title."""
        if not any(self):
            return
        from ...runtime.passes.placement.simulation.simulated_step import simulation_of_placement

        simulation = simulation_of_placement(placement)
        if self.svg is not None or self.html is not None:
            self._draw(simulation, placement, Path(graph).name)
        if self.trace is not None:
            from ...runtime.passes.placement.simulation.timeline import timeline

            write_file(
                self.trace,
                json.dumps({"displayTimeUnit": "ms", "traceEvents": timeline(simulation)}).encode(),
            )

    def _draw(self, simulation: Simulation, placement: Placement, title: str) -> None:
        from ...graphfmt.units import human_seconds
        from ...runtime.visualization.page import html_page
        from ...runtime.visualization.picture import draw_simulation

        facts = [
            f"at least {human_seconds(placement.bounds.best)} anywhere",
            f"placed by {placement.best.algorithm}",
        ]
        drawn = draw_simulation(simulation, title, facts)
        if self.svg is not None:
            write_file(self.svg, drawn.encode())
        if self.html is not None:
            write_file(self.html, html_page(drawn, title).encode())


drawing_options = option_group(
    "drawing",
    DrawingOptions,
    click.option(
        "--svg",
        metavar="OUT.svg",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Draw the graph by device with the transfers between devices, and the simulated step over time.",
    ),
    click.option(
        "--html",
        metavar="OUT.html",
        type=click.Path(dir_okay=False, path_type=Path),
        help="The same drawing as an HTML page with zoom and highlighting of a node's outputs.",
    ),
    click.option(
        "--trace",
        metavar="OUT.json",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write the simulated step as a trace for Chrome or Perfetto.",
    ),
)
