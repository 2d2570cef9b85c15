"""The graph panel: a lane for each device, with its boxes and the edges between them."""

from __future__ import annotations

from math import log10
from typing import TYPE_CHECKING, NamedTuple

from ...graphfmt.names import counted
from ...graphfmt.units import human_bytes, human_seconds
from . import style, svg
from .layers import BOX, lay_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..passes.placement.simulation.critical_path import CriticalPath
    from ..passes.placement.simulation.simulated_step import Simulation
    from ..passes.placement.simulation.simulator import SimulatedTransfer
    from .blocks import Block, Blocks, FlowEdge
    from .layers import Layout

WIDTH, HEIGHT = BOX, 34.0
PITCH = 62.0
# Margins of a lane: beside its boxes, and above them for its name.
SIDE, TOP, BOTTOM = 16.0, 38.0, 16.0
# The most transfers with labels of their bytes, largest first; those far smaller than the largest have none.
MOST_BYTES = 40


class Panel(NamedTuple):
    """A part of a drawing, with its origin at (0, 0)."""

    width: float
    height: float
    content: str


def graph_panel(simulation: Simulation, blocks: Blocks, critical: CriticalPath) -> Panel:
    if not blocks.blocks:
        return Panel(0.0, 0.0, "")
    drawing = _GraphDrawing(simulation, blocks, critical)
    lanes = drawing.place.lanes
    width = lanes[-1].left + lanes[-1].width + 2 * SIDE
    return Panel(width, drawing.height, "".join(drawing.parts()))


class _GraphDrawing:
    def __init__(self, simulation: Simulation, blocks: Blocks, critical: CriticalPath) -> None:
        self.simulation = simulation
        self.blocks = blocks
        self.critical = critical
        self.place: Layout = lay_out(blocks)
        self.height = TOP + (self.place.layers - 1) * PITCH + HEIGHT + BOTTOM
        self.most = max((block.seconds for block in blocks.blocks), default=0.0)

    def parts(self) -> Iterator[str]:
        yield from self.lanes()
        sent = [flow for flow in self.blocks.flows if flow.transfers]
        for flow in self.blocks.flows:
            if not flow.transfers:
                yield self.flow(flow)
        for flow in sent:
            yield self.transfer(flow)
        for number, block in enumerate(self.blocks.blocks):
            yield self.box(number, block)
        largest = sorted(sent, key=lambda flow: -flow.bytes)[:MOST_BYTES]
        for flow in sorted(largest):
            if flow.bytes * 100 > largest[0].bytes:
                yield self.bytes(flow)

    def lanes(self) -> Iterator[str]:
        schedule = self.simulation.schedule
        for lane in self.place.lanes:
            color = style.hue(lane.device)
            yield svg.element(
                "rect", x=lane.left, y=0, width=lane.width + 2 * SIDE, height=self.height, rx=8,
                class_="lane", fill=color,
            )  # fmt: skip
            name = short(self.simulation.machine.names[lane.device])
            nodes = sum(
                1 for op, device in enumerate(schedule.place)
                if device == lane.device and self.blocks.of[op] >= 0
            )  # fmt: skip
            yield svg.text(lane.left + SIDE, 23, name, class_="lane-name")
            yield svg.text(
                lane.left + lane.width + SIDE, 23, counted(nodes, "node"), class_="muted", text_anchor="end"
            )

    def middle(self, number: int) -> tuple[float, float]:
        return self.place.x[number] + SIDE, TOP + self.place.layer[number] * PITCH + HEIGHT / 2

    def box(self, number: int, block: Block) -> str:
        x, y = self.middle(number)
        share = block.seconds / self.most if self.most else 0.0
        is_critical = any(op in self.critical.ops for op in block.ops)
        color = style.hue(block.device)
        many = len(block.ops) > 1
        label = svg.last_scopes(block.label.removesuffix("/"), WIDTH - 12, style.FONT)
        if many:
            under = f"{len(block.ops):,} nodes · {human_seconds(block.seconds)}"
        else:
            under = f"{self._op(block.ops[0])} · {human_seconds(block.seconds)}"
        under = svg.shortened(under, WIDTH - 10, style.SMALL)
        stacked = (
            [
                svg.element(
                    "rect", x=x - WIDTH / 2 + 3, y=y - HEIGHT / 2 + 3, width=WIDTH, height=HEIGHT, rx=5,
                    fill=color, fill_opacity=0.15, stroke=color, stroke_opacity=0.5,
                )
            ]
            if many
            else []
        )  # fmt: skip
        return svg.element(
            "g",
            svg.title(self.about(block)),
            *stacked,
            svg.element(
                "rect", x=x - WIDTH / 2, y=y - HEIGHT / 2, width=WIDTH, height=HEIGHT, rx=5, class_="ground"
            ),
            svg.element(
                "rect", x=x - WIDTH / 2, y=y - HEIGHT / 2, width=WIDTH, height=HEIGHT, rx=5,
                class_="box critical" if is_critical else "box",
                fill=color, fill_opacity=f"{style.heat(share):.2f}", **({} if is_critical else {"stroke": color}),
            ),
            svg.text(x, y - 3, label, text_anchor="middle"),
            svg.text(x, y + 10, under, class_="small muted", text_anchor="middle"),
            class_="block",
            data_block=str(number),
        )  # fmt: skip

    def about(self, block: Block) -> str:
        schedule, names = self.simulation.schedule, self.simulation.formulation.nodes
        start = min(schedule.start[op] for op in block.ops)
        finish = max(schedule.finish[op] for op in block.ops)
        lines = [block.label]
        if len(block.ops) == 1:
            lines[0] += f"  ({self._op(block.ops[0])})"
        else:
            slowest = sorted(block.ops, key=lambda op: (schedule.start[op] - schedule.finish[op], op))[:8]
            lines.append(f"{len(block.ops):,} nodes, {human_seconds(block.seconds)} in all; the slowest:")
            lines += [
                f"  {names[op]}  ({self._op(op)})  {human_seconds(schedule.finish[op] - schedule.start[op])}"
                for op in slowest
            ]
        lines.append(self.simulation.machine.names[block.device])
        lines.append(f"{human_seconds(start)} to {human_seconds(finish)}")
        return "\n".join(lines)

    def _op(self, op: int) -> str:
        return self.simulation.graph.index[self.simulation.formulation.nodes[op]].op

    def flow(self, flow: FlowEdge) -> str:
        at, to = self.place.layer[flow.source], self.place.layer[flow.target]
        (x, y), (end_x, end_y) = self.middle(flow.source), self.middle(flow.target)
        points = [(x, y + HEIGHT / 2)]
        for layer in range(at + 1, to):
            passing = self.place.passes.get((flow.source, layer))
            if passing is not None:
                top = TOP + layer * PITCH
                points += [(passing + SIDE, top - 4), (passing + SIDE, top + HEIGHT + 4)]
        points.append((end_x, end_y - HEIGHT / 2))
        kind = "flow copy" if flow.is_copy else "flow"
        return svg.element(
            "path", d=svg.path(points), class_=kind if flow.tensors else f"{kind} waits", **self._ends(flow)
        )

    def transfer(self, flow: FlowEdge) -> str:
        (x, y), (end_x, end_y) = self.middle(flow.source), self.middle(flow.target)
        start, end = (x, y + HEIGHT / 2), (end_x, end_y - HEIGHT / 2 - 5)
        if end[1] <= start[1]:
            # Beside or against the direction of flow: from one side to the other.
            side = 1 if end_x > x else -1
            start, end = (x + side * WIDTH / 2, y), (end_x - side * (WIDTH / 2 + 5), end_y)
            bend = max(40.0, abs(end[0] - start[0]) / 2) * side
            data = (
                f"M{svg.number(start[0])} {svg.number(start[1])}"
                f"C{svg.number(start[0] + bend)} {svg.number(start[1])} "
                f"{svg.number(end[0] - bend)} {svg.number(end[1])} {svg.number(end[0])} {svg.number(end[1])}"
            )
        else:
            data = svg.path([start, end])
        thickness = 1.0 + 0.45 * log10(max(1, flow.bytes))
        is_critical = any(transfer in self.critical.transfers for transfer in flow.transfers)
        return svg.element(
            "path",
            svg.title(self.about_transfer(flow)),
            d=data,
            class_="transfer" if flow.bytes else "transfer waits",
            stroke_width=thickness + 1.2 if is_critical else thickness * 0.7,
            marker_end="url(#arrow)",
            **self._ends(flow),
        )

    def about_transfer(self, flow: FlowEdge) -> str:
        formulation = self.simulation.formulation
        moved = [self.simulation.schedule.transfers[transfer] for transfer in flow.transfers]
        names = self.simulation.machine.names
        lines = [f"{short(names[moved[0].source])} → {short(names[moved[0].target])}"]
        for t in sorted(moved, key=lambda t: -formulation.problem.tensors[t.tensor].size)[:8]:
            lines.append(about_transfer(self.simulation, t))
        if len(moved) > 8:
            lines.append(f"and {len(moved) - 8:,} more")
        return "\n".join(lines)

    def bytes(self, flow: FlowEdge) -> str:
        (x, y), (end_x, end_y) = self.middle(flow.source), self.middle(flow.target)
        is_down = end_y > y
        # On the curve, nearer to the source, because many edges may meet at the target.
        along, down = (0.2955, 0.3923) if is_down else (0.5, 0.5)
        edge = HEIGHT / 2 if is_down else 0
        return svg.text(
            x + (end_x - x) * along,
            y + edge + (end_y - y - 2 * edge) * down + 3,
            human_bytes(flow.bytes),
            class_="small bytes",
            text_anchor="middle",
            **self._ends(flow),
        )

    def _ends(self, flow: FlowEdge) -> dict[str, str]:
        return {"data_from": str(flow.source), "data_to": str(flow.target)}


def about_transfer(simulation: Simulation, transfer: SimulatedTransfer) -> str:
    """Describes a transfer in a line: tensor, bytes, times."""
    tensor, formulation = transfer.tensor, simulation.formulation
    when = f"{human_seconds(transfer.start)} to {human_seconds(transfer.finish)}"
    return f"{formulation.endpoints[tensor]}  {human_bytes(formulation.problem.tensors[tensor].size)}  {when}"


def short(name: str) -> str:
    """Returns ``CPU:0`` for a device of the local task, the full name for others."""
    return name.removeprefix("/job:localhost/replica:0/task:0/device:")
