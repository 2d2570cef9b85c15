"""SVG drawing of a placed graph: a summary, the graph by device, and the simulated step over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphfmt.names import counted
from ...graphfmt.units import human_bytes, human_seconds
from ..passes.placement.simulation.critical_path import critical_path
from ..passes.placement.simulation.simulator import traffic
from . import style, svg
from .blocks import blocks
from .graph_panel import graph_panel
from .schedule_panel import schedule_panel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..passes.placement.simulation.critical_path import CriticalPath
    from ..passes.placement.simulation.simulated_step import Simulation

MARGIN = 24.0
HEAD = 66.0
# Minimum width of the schedule; the graph's width depends on its boxes.
LEAST_WIDTH = 1080.0
LINE = 17.0

_ARROW = svg.element(
    "defs",
    svg.element(
        "marker",
        svg.element("path", d="M0 0L8 4L0 8Z", class_="arrow"),
        id="arrow", viewBox="0 0 8 8", refX=4, refY=4, markerWidth=8, markerHeight=8, orient="auto",
        markerUnits="userSpaceOnUse",
    ),
)  # fmt: skip


def draw_simulation(simulation: Simulation, title: str, facts: Sequence[str] = ()) -> str:
    """Returns a complete SVG document, deterministic for a simulation; ``facts`` follow the summary below the
    title."""
    boxes = blocks(simulation)
    critical = critical_path(simulation.formulation.problem, simulation.schedule)
    graph = graph_panel(simulation, boxes, critical)
    inner = max(LEAST_WIDTH, graph.width)
    schedule = schedule_panel(simulation, boxes, critical, inner)
    notes = [*_facts(simulation, critical), *boxes.notes]
    under = MARGIN + HEAD + graph.height + 34
    foot = under + schedule.height + 30
    width, height = inner + 2 * MARGIN, foot + LINE * len(notes) + MARGIN - 8
    subtitle = "  ·  ".join([*_summary(simulation), *facts])
    return svg.element(
        "svg",
        svg.element("title", svg.plain(title)),
        svg.element("style", style.CSS),
        _ARROW,
        svg.element("rect", class_="ground", width=width, height=height),
        svg.element(
            "g",
            svg.text(MARGIN, MARGIN + 14, title, class_="head"),
            svg.text(MARGIN, MARGIN + 36, subtitle, class_="muted"),
            svg.element(
                "g", graph.content, transform=_moved(MARGIN + (inner - graph.width) / 2, MARGIN + HEAD)
            ),
            svg.text(MARGIN, under - 8, "A step in simulation", class_="lane-name"),
            svg.element("g", schedule.content, transform=_moved(MARGIN, under)),
            *(
                svg.text(MARGIN, foot + LINE * i, note, class_="muted")
                for i, note in enumerate(notes)
            ),
            id="all",
        ),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {svg.number(width)} {svg.number(height)}",
        width=width,
        height=height,
    )  # fmt: skip


def _moved(x: float, y: float) -> str:
    return f"translate({svg.number(x)} {svg.number(y)})"


def _summary(simulation: Simulation) -> list[str]:
    schedule, machine = simulation.schedule, simulation.machine
    used = len(set(schedule.place))
    sent = sum(traffic(simulation.formulation.problem, schedule).values())
    return [
        f"{len(schedule.place):,} nodes on {used} of {counted(len(machine.names), 'device')}",
        f"a step takes {human_seconds(schedule.makespan)} in simulation",
        f"{counted(len(schedule.transfers), 'transfer')}, {human_bytes(sent)}",
    ]


def _facts(simulation: Simulation, critical: CriticalPath) -> list[str]:
    """Describes the critical path and how to read the drawing."""
    schedule = simulation.schedule
    computing = sum(schedule.finish[op] - schedule.start[op] for op in critical.ops)
    moving = schedule.makespan - computing
    return [
        f"Critical path (outlined): {counted(len(critical.ops), 'operation')}, {human_seconds(computing)}, and "
        f"{counted(len(critical.transfers), 'transfer')}, {human_seconds(max(0.0, moving))}",
        "Boxes are darker the longer they take. Orange lines are transfers, one per device; thin lines lead to "
        "further readers of the copy. Dashed lines carry order without data",
    ]
