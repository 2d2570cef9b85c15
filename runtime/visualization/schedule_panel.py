"""The schedule panel: for each device a row of operations above one of memory, and a row for each link."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from ...graphfmt.names import counted
from ...graphfmt.units import human_bytes, human_seconds
from ..passes.placement.simulation.simulator import memory_residence, traffic
from . import style, svg
from .bars import Bar, Span, memory_levels, merge_spans, ticks
from .graph_panel import Panel, about_transfer, short

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..passes.placement.simulation.critical_path import CriticalPath
    from ..passes.placement.simulation.simulated_step import Simulation
    from .blocks import Blocks

ROW, MEMORY, LINK = 26.0, 34.0, 16.0
# Gaps between rows of one device, and between devices.
NEAR, FAR = 4.0, 16.0
# Widths of the names at the left and the totals at the right.
NAMES, TOTALS = 130.0, 150.0
AXIS = 26.0
# The most links drawn, by bytes carried.
MOST_LINKS = 24


def schedule_panel(simulation: Simulation, blocks: Blocks, critical: CriticalPath, width: float) -> Panel:
    drawing = _ScheduleDrawing(simulation, blocks, critical, width)
    rows = "".join(drawing.rows())
    return Panel(width, drawing.y, drawing.axis() + rows)


class _ScheduleDrawing:
    """Rows of the panel, drawn from top to bottom; ``y`` is the top of the next one."""

    def __init__(self, simulation: Simulation, blocks: Blocks, critical: CriticalPath, width: float) -> None:
        self.simulation = simulation
        self.schedule = simulation.schedule
        self.problem = simulation.formulation.problem
        self.blocks = blocks
        self.critical = critical
        self.width = width
        self.room = width - NAMES - TOTALS
        self.pixel = self.schedule.makespan / self.room if self.schedule.makespan else 1.0
        self.y = AXIS

    def x(self, seconds: float) -> float:
        return NAMES + seconds / self.pixel if self.schedule.makespan else NAMES

    def rows(self) -> Iterator[str]:
        used = sorted(set(self.schedule.place))
        top = max([0, *self.schedule.peak])
        for device in used:
            yield from self.device(device)
            self.y += NEAR
            yield from self.memory(device, top)
            self.y += FAR
        yield from self.links()

    def axis(self) -> str:
        """Draws the time axis. Comes first in the document, beneath the rows, but needs their height."""
        elements: list[str] = []
        for tick in ticks(self.schedule.makespan, max(2, int(self.room / 90))):
            x = self.x(tick)
            elements.append(svg.element("line", class_="grid", x1=x, x2=x, y1=AXIS - 6, y2=self.y))
            if self.x(self.schedule.makespan) - x > 70 or not tick:
                elements.append(
                    svg.text(x, AXIS - 11, human_seconds(tick), class_="small muted", text_anchor="middle")
                )
        end = self.x(self.schedule.makespan)
        elements.append(svg.element("line", class_="end", x1=end, x2=end, y1=AXIS - 6, y2=self.y))
        elements.append(
            svg.text(
                end, AXIS - 11, human_seconds(self.schedule.makespan), text_anchor="middle", class_="small"
            )
        )
        return "".join(elements)

    def device(self, device: int) -> Iterator[str]:
        spans = [
            Span(self.schedule.start[op], self.schedule.finish[op], op)
            for op, where in enumerate(self.schedule.place)
            if where == device
        ]
        busy = sum(span.finish - span.start for span in spans)
        share = busy / self.schedule.makespan if self.schedule.makespan else 0.0
        yield self.ground(ROW)
        yield self.name(short(self.simulation.machine.names[device]), ROW, class_="lane-name")
        for bar in merge_spans(spans, 1.5 * self.pixel):
            yield self.bar(bar, device)
        yield self.total(f"busy {share:.0%}, {human_seconds(busy)}", ROW)
        self.y += ROW

    def bar(self, bar: Bar, device: int) -> str:
        x, width = self.x(bar.start), max(0.7, self.x(bar.finish) - self.x(bar.start))
        nodes = self.simulation.formulation.nodes
        color = style.hue(device)
        is_critical = any(op in self.critical.ops for op in bar.what)
        single = len(bar.what) == 1
        opacity = 0.62 if single else 0.15 + 0.47 * bar.busy / (bar.finish - bar.start)
        shape = svg.element(
            "rect", x=x, y=self.y + 1, width=width, height=ROW - 2, fill=color, fill_opacity=f"{opacity:.2f}",
            **({"stroke": color, "stroke_width": 0.6} if width > 3 else {}),
        )  # fmt: skip
        parts = [svg.title(self.about(bar)), shape]
        if is_critical:
            parts.append(
                svg.element("rect", x=x, y=self.y + ROW - 2, width=width, height=3, class_="critical-mark")
            )
        if width > 44 and single:
            label = svg.last_scopes(nodes[bar.what[0]], width - 6, style.SMALL)
            parts.append(svg.text(x + width / 2, self.y + 16, label, class_="small", text_anchor="middle"))
        owners = {self.blocks.of[op] for op in bar.what}
        links = {"data_block": str(owners.pop())} if len(owners) == 1 else {}
        return svg.element("g", *parts, **links)

    def about(self, bar: Bar) -> str:
        nodes, index = self.simulation.formulation.nodes, self.simulation.graph.index
        times = f"{human_seconds(bar.start)} to {human_seconds(bar.finish)}"
        if len(bar.what) == 1:
            name = nodes[bar.what[0]]
            return f"{name}  ({index[name].op})\n{times}, {human_seconds(bar.busy)}"
        some = "\n".join(f"  {nodes[op]}  ({index[nodes[op]].op})" for op in bar.what[:8])
        more = "\n  …" if len(bar.what) > 8 else ""
        return f"{len(bar.what):,} nodes\n{times}, {human_seconds(bar.busy)} of it busy\n{some}{more}"

    def memory(self, device: int, top: int) -> Iterator[str]:
        schedule, problem = self.schedule, self.problem
        resident = memory_residence(
            problem, schedule.place, schedule.start, schedule.finish, schedule.transfers
        )
        mine = resident.device == device
        always = sum(problem.persistent[op] for op, where in enumerate(schedule.place) if where == device)
        pixels = max(1, int(self.room / 2))
        heights = memory_levels(
            resident.start[mine], resident.finish[mine], resident.bytes[mine], schedule.makespan, pixels
        )
        limit = problem.limits[device]
        # A limit far above the peak would flatten the curve.
        scale = MEMORY / max(1.0, top * 1.08, limit if limit < 3 * top else 0.0)
        foot = self.y + MEMORY
        yield self.ground(MEMORY)
        yield self.name("memory", MEMORY, class_="small muted")
        data = [f"M{svg.number(NAMES)} {svg.number(foot)}"]
        for i, level in enumerate(heights):
            high = svg.number(foot - (level + always) * scale)
            left, right = NAMES + self.room * i / pixels, NAMES + self.room * (i + 1) / pixels
            data.append(f"L{svg.number(left)} {high}H{svg.number(right)}")
        data.append(f"V{svg.number(foot)}Z")
        peak = human_bytes(schedule.peak[device])
        tooltip = f"at most {peak}, of which {human_bytes(always)} are variables and constants"
        yield svg.element(
            "path", svg.title(tooltip), d="".join(data), fill=style.hue(device), fill_opacity="0.4"
        )
        if always:
            line = foot - always * scale
            yield svg.element("line", class_="grid", x1=NAMES, x2=NAMES + self.room, y1=line, y2=line)
        total = f"peak {peak}"
        if limit < float("inf"):
            total += f" of {human_bytes(int(limit))}"
            if limit < 3 * top:
                line = foot - limit * scale
                yield svg.element("line", class_="limit", x1=NAMES, x2=NAMES + self.room, y1=line, y2=line)
        yield self.total(
            total, MEMORY, class_="small over" if schedule.peak[device] > limit else "small muted"
        )
        self.y += MEMORY

    def links(self) -> Iterator[str]:
        carried = traffic(self.problem, self.schedule)
        moved: dict[tuple[int, int], list[Span]] = defaultdict(list)
        for i, t in enumerate(self.schedule.transfers):
            moved[t.source, t.target].append(Span(t.start, t.finish, i))
        largest = sorted(carried, key=lambda link: (-carried[link], link))[:MOST_LINKS]
        names = self.simulation.machine.names
        for link in sorted(largest):
            yield self.ground(LINK)
            yield self.name(f"{short(names[link[0]])} → {short(names[link[1]])}", LINK, class_="small")
            for bar in merge_spans(moved[link], 1.5 * self.pixel):
                yield self.moved(bar)
            count = counted(len(moved[link]), "transfer")
            yield self.total(f"{count}, {human_bytes(carried[link])}", LINK)
            self.y += LINK + NEAR
        if len(carried) > len(largest):
            self.y += 12
            rest = len(carried) - len(largest)
            yield svg.text(
                NAMES, self.y, f"and {counted(rest, 'link')} that carry less", class_="small muted"
            )
            self.y += NEAR

    def moved(self, bar: Bar) -> str:
        x, width = self.x(bar.start), max(0.7, self.x(bar.finish) - self.x(bar.start))
        transfers = bar.what
        tooltip = [
            about_transfer(self.simulation, self.schedule.transfers[transfer]) for transfer in transfers[:8]
        ]
        if len(transfers) > 8:
            tooltip.append(f"and {len(transfers) - 8:,} more")
        first = self.schedule.transfers[transfers[0]]
        links = (
            {"data_block": str(self.blocks.of[self.problem.tensors[first.tensor].producer])}
            if len(transfers) == 1
            else {}
        )
        opacity = 0.25 + 0.5 * min(1.0, bar.busy / (bar.finish - bar.start))
        parts = [
            svg.title("\n".join(tooltip)),
            svg.element(
                "rect", x=x, y=self.y + 1, width=width, height=LINK - 2, class_="moved",
                fill_opacity=f"{opacity:.2f}",
            ),
        ]  # fmt: skip
        if any(transfer in self.critical.transfers for transfer in transfers):
            parts.append(
                svg.element("rect", x=x, y=self.y + LINK - 2, width=width, height=2, class_="critical-mark")
            )
        return svg.element("g", *parts, **links)

    def ground(self, height: float) -> str:
        return svg.element("rect", x=NAMES, y=self.y, width=self.room, height=height, class_="row")

    def name(self, name: str, height: float, **attributes: str) -> str:
        shown = svg.shortened(name, NAMES - 12, style.FONT)
        return svg.text(NAMES - 10, self.y + height / 2 + 4, shown, text_anchor="end", **attributes)

    def total(self, content: str, height: float, class_: str = "small muted") -> str:
        return svg.text(NAMES + self.room + 10, self.y + height / 2 + 4, content, class_=class_)
