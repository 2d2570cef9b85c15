"""SVG drawing of predictions for many workers: time of a step, and throughput, by number of workers."""

from __future__ import annotations

from math import log10
from typing import TYPE_CHECKING, NamedTuple

from ...graphfmt.units import human_seconds
from . import style, svg

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..simulation.scaling import Scaling, StepComparison
    from ..simulation.training import PredictedTraining

_MARGIN = 24.0
_HEAD = 56.0
_LEFT, _BOTTOM = 62.0, 34.0
_WIDTH, _HEIGHT = 460.0, 300.0
_GAP = 30.0


class _Line(NamedTuple):
    """A curve, and the points of measurements beside it, as workers and values."""

    label: str
    points: Sequence[tuple[int, float]]


class _Axes:
    """Logarithmic axes of a panel; ``x`` and ``y`` are of its lower left corner."""

    def __init__(self, x: float, y: float, across: Sequence[float], up: Sequence[float]) -> None:
        self.x, self.y = x, y
        self._across = _apart(min(across), max(across))
        self._up = _apart(*_rounded_outwards(min(up), max(up)))

    def place(self, across: float, up: float) -> tuple[float, float]:
        """The point of a pair of values."""
        return (
            self.x + _WIDTH * _share(across, self._across),
            self.y - _HEIGHT * _share(up, self._up),
        )

    def grid(self, format_up: Callable[[float], str]) -> list[str]:
        """The lines and labels of round values on both axes."""
        drawn: list[str] = []
        for value in _round_values(self._across):
            x, _ = self.place(value, self._up[0])
            drawn.append(svg.element("path", class_="grid", d=svg.path([(x, self.y), (x, self.y - _HEIGHT)])))
            drawn.append(svg.text(x, self.y + 16, f"{value:g}", class_="small muted", text_anchor="middle"))
        for value in _round_values(self._up):
            _, y = self.place(self._across[0], value)
            line = f"M{svg.number(self.x)} {svg.number(y)}H{svg.number(self.x + _WIDTH)}"
            drawn.append(svg.element("path", class_="grid", d=line))
            drawn.append(
                svg.text(self.x - 6, y + 3, format_up(value), class_="small muted", text_anchor="end")
            )
        return drawn


def draw_scaling(scaling: Scaling, title: str, comparisons: Sequence[StepComparison] = ()) -> str:
    """Returns a complete SVG document: one curve for each number of backups, and measured steps as rings."""
    by_backups: dict[int, list[PredictedTraining]] = {}
    for training in scaling.trainings:
        by_backups.setdefault(training.backups, []).append(training)
    steps = _lines(by_backups, lambda training: training.step)
    rates = _lines(by_backups, lambda training: training.items_rate)
    measured = [(one.workers, one.measured) for one in comparisons]
    top = _MARGIN + _HEAD
    second = _MARGIN + _LEFT + _WIDTH + _GAP + _LEFT
    width = second + _WIDTH + _MARGIN
    height = top + _HEIGHT + _BOTTOM + _MARGIN
    return svg.element(
        "svg",
        svg.element("title", svg.plain(title)),
        svg.element("style", style.CSS),
        svg.element("rect", class_="ground", width=width, height=height),
        svg.text(_MARGIN, _MARGIN + 14, title, class_="head"),
        *_panel(_MARGIN + _LEFT, top + _HEIGHT, "seconds of a step", (steps, measured), human_seconds),
        *_panel(second, top + _HEIGHT, "examples a second", (rates, []), lambda value: f"{value:g}"),
        xmlns="http://www.w3.org/2000/svg",
        width=width,
        height=height,
        viewBox=f"0 0 {svg.number(width)} {svg.number(height)}",
    )


def _lines(
    by_backups: Mapping[int, Sequence[PredictedTraining]], value: Callable[[PredictedTraining], float]
) -> list[_Line]:
    return [
        _Line(f"{backups} backups" if backups else "", [(one.workers, value(one)) for one in trainings])
        for backups, trainings in by_backups.items()
    ]


def _panel(
    x: float,
    y: float,
    heading: str,
    curves: tuple[Sequence[_Line], Sequence[tuple[int, float]]],
    format_up: Callable[[float], str],
) -> list[str]:
    lines, measured = curves
    points = [point for line in lines for point in line.points] + list(measured)
    positive = [value for _, value in points if value > 0] or [1.0]
    axes = _Axes(x, y, [workers for workers, _ in points], positive)
    drawn = [svg.text(x, y - _HEIGHT - 10, heading, class_="lane-name"), *axes.grid(format_up)]
    drawn.append(svg.text(x + _WIDTH, y + 30, "workers", class_="small muted", text_anchor="end"))
    for number, line in enumerate(lines):
        drawn += _curve(axes, line, style.hue(number))
    for workers, value in measured:
        at_x, at_y = axes.place(workers, value)
        tip = svg.title(f"measured, {workers} workers: {format_up(value)}")
        drawn.append(svg.element("circle", tip, cx=at_x, cy=at_y, r=5, fill="none", stroke="#e8590c"))
    return drawn


def _curve(axes: _Axes, line: _Line, colour: str) -> list[str]:
    places = [axes.place(workers, value) for workers, value in line.points if value > 0]
    if not places:
        return []
    data = "M" + "L".join(f"{svg.number(x)} {svg.number(y)}" for x, y in places)
    drawn = [svg.element("path", d=data, fill="none", stroke=colour, stroke_width=1.6)]
    for (x, y), (workers, value) in zip(places, line.points):
        tip = svg.title(f"{workers} workers{', ' + line.label if line.label else ''}: {value:.4g}")
        drawn.append(svg.element("circle", tip, cx=x, cy=y, r=2.5, fill=colour))
    if line.label:
        x, y = places[-1]
        drawn.append(svg.text(x - 4, y - 6, line.label, class_="small", text_anchor="end", fill=colour))
    return drawn


def _apart(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low * 1.02 else (low / 1.5, high * 1.5)


def _rounded_outwards(low: float, high: float) -> tuple[float, float]:
    """The next values of one digit, 1, 2 or 5, that are not above the one and not below the other."""
    around = _round_values((low / 10, high * 10))
    # Logarithms of powers of ten are not exact.
    return max(v for v in around if v <= low * 1.0001), min(v for v in around if v >= high * 0.9999)


def _share(value: float, ends: tuple[float, float]) -> float:
    low, high = map(log10, ends)
    return (log10(value) - low) / (high - low)


def _round_values(ends: tuple[float, float]) -> list[float]:
    """Values of one digit between two ends: 1, 2 and 5 of each decade, powers of ten alone over many decades."""
    low, high = ends
    digits = (1, 2, 5) if log10(high / low) < 3.5 else (1,)
    first = int(log10(low)) - 1
    decades = range(first, int(log10(high)) + 2)
    return [
        value
        for power in decades
        for digit in digits
        if low <= (value := digit * 10.0**power) <= high * 1.001
    ]
