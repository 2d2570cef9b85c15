"""What ``tfg place`` writes for the eye: drawings of the placed graph, and the simulated step as a trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from ...graphfmt.files import STANDARD, write_file
from . import console
from .options import group

if TYPE_CHECKING:
    from ...runtime.passes.placement.place import Placement
    from ...runtime.passes.placement.simulation.simulated_step import Simulation


drawing_options = group(
    click.option(
        "--svg",
        metavar="OUT.svg",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Draw the graph by device with what goes between devices, and the simulated step in time.",
    ),
    click.option(
        "--html",
        metavar="OUT.html",
        type=click.Path(dir_okay=False, path_type=Path),
        help="The same as a page in which to zoom and to follow what a node sends.",
    ),
    click.option(
        "--trace",
        metavar="OUT.json",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write the simulated step for Chrome's or Perfetto's viewer.",
    ),
)


class Drawings(NamedTuple):
    """The files asked for."""

    svg: Path | None
    html: Path | None
    trace: Path | None

    def check(self, output: str | None) -> None:
        """Raises UsageError where two results would be written to one file."""
        asked = [str(path) for path in (output, *self) if path is not None]
        if any(name == STANDARD for name in asked[1 if output is not None else 0 :]):
            raise console.UsageError("drawings and traces go to files, not to standard output")
        if len({Path(name).absolute() for name in asked}) < len(asked):
            raise console.UsageError("two results are to be written to one file")

    def write(self, placement: Placement, graph: str) -> None:
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
        from ...runtime.summary import human_seconds
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
