"""Styles of drawings in light and dark mode.

Colours used on both backgrounds are given once, with an opacity; CSS variables are avoided, because few SVG
viewers other than browsers support them.
"""

from __future__ import annotations

# One hue per device, in turn; none is close to the orange of transfers.
HUES = ("#3f7fc1", "#3a9d6e", "#8a63d2", "#1597a5", "#8c9a2b", "#c2568c", "#6b7a90", "#9c6b4a")

FONT = 11.0
SMALL = 9.5

CSS = """
text { font: 11px system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", Arial, sans-serif; fill: #1f2328 }
.small { font-size: 9.5px }
.head { font-size: 17px; font-weight: 600 }
.lane-name { font-size: 13px; font-weight: 600 }
.muted { fill: #59636e }
.ground { fill: #ffffff }
.lane { fill-opacity: .06 }
.box { stroke-width: 1 }
.critical { stroke: #1f2328; stroke-width: 2 }
.critical-mark { fill: #1f2328 }
.flow { fill: none; stroke: #59636e; stroke-opacity: .34 }
.copy { stroke: #e8590c; stroke-opacity: .6 }
.waits { stroke-dasharray: 3 3 }
.transfer { fill: none; stroke: #e8590c; stroke-opacity: .8 }
.arrow { fill: #e8590c }
.bytes { fill: #c2410c; stroke: #ffffff; stroke-width: 3; paint-order: stroke }
.moved { fill: #e8590c }
.grid { stroke: #59636e; stroke-opacity: .2 }
.end { stroke: #1f2328; stroke-width: 1.2 }
.limit { stroke: #cf222e; stroke-width: 1.2; stroke-dasharray: 5 3 }
.over { fill: #cf222e }
.row { fill: #59636e; fill-opacity: .07 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.muted { fill: #9198a1 }
.ground { fill: #0d1117 }
.lane { fill-opacity: .13 }
.critical { stroke: #f0f6fc }
.critical-mark { fill: #f0f6fc }
.flow { stroke: #9198a1 }
.transfer, .copy { stroke: #ff922b }
.arrow, .moved { fill: #ff922b }
.bytes { fill: #ffa94d; stroke: #0d1117 }
.grid { stroke: #9198a1 }
.end { stroke: #f0f6fc }
.limit { stroke: #ff6b6b }
.over { fill: #ff6b6b }
.row { fill: #9198a1; fill-opacity: .09 }
}
"""


def hue(device: int) -> str:
    """Returns the colour of a device."""
    return HUES[device % len(HUES)]


def heat(share: float) -> float:
    """Returns the opacity of a box by its share of the slowest box's time; most shares are small."""
    return 0.10 + 0.50 * min(1.0, max(0.0, share)) ** 0.5
