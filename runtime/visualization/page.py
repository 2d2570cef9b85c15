"""HTML page of a drawing: zooms with the wheel, pans by dragging, and highlights the edges of a box under the
pointer."""

from __future__ import annotations

from . import svg

_CSS = """
html, body { margin: 0; height: 100%; overflow: hidden; background: #ffffff }
@media (prefers-color-scheme: dark) { html, body { background: #0d1117 } }
body > svg { display: block; width: 100vw; height: 100vh; cursor: grab }
body > svg:active { cursor: grabbing }
.lit .flow, .lit .transfer, .lit .bytes, .lit [data-block] { opacity: .16 }
.lit .on.flow, .lit .on.transfer, .lit .on.bytes, .lit .on[data-block] { opacity: 1 }
.on.flow { stroke-opacity: 1; stroke-width: 2 }
"""

_SCRIPT = """
const svg = document.querySelector("svg"), all = document.getElementById("all");
const whole = svg.viewBox.baseVal, full = {x: 0, y: 0, width: whole.width, height: whole.height};
// At first as wide as the window, from the top.
whole.height = Math.min(full.height, full.width * innerHeight / innerWidth);
svg.setAttribute("preserveAspectRatio", "xMidYMin meet");
const perPixel = () => Math.max(whole.width / svg.clientWidth, whole.height / svg.clientHeight);
svg.addEventListener("wheel", event => {
  event.preventDefault();
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  const by = Math.min(full.width * 2 / whole.width, Math.max(.02 * full.width / whole.width,
    Math.exp(event.deltaY * .0015)));
  whole.x = at.x - (at.x - whole.x) * by;
  whole.y = at.y - (at.y - whole.y) * by;
  whole.width *= by;
  whole.height *= by;
}, {passive: false});
svg.addEventListener("pointermove", event => {
  if (!(event.buttons & 1)) return;
  const scale = perPixel();
  whole.x -= event.movementX * scale;
  whole.y -= event.movementY * scale;
});
svg.addEventListener("dblclick", () => Object.assign(whole, full));
function light(block) {
  for (const one of all.querySelectorAll(".on")) one.classList.remove("on");
  all.classList.toggle("lit", block !== undefined);
  if (block === undefined) return;
  const near = new Set([block]);
  for (const flow of all.querySelectorAll("[data-from]")) {
    const {from, to} = flow.dataset;
    if (from !== block && to !== block) continue;
    flow.classList.add("on");
    near.add(from).add(to);
  }
  for (const one of all.querySelectorAll("[data-block]"))
    if (near.has(one.dataset.block)) one.classList.add("on");
}
all.addEventListener("pointerover", event => {
  if (!event.buttons) light(event.target.closest("[data-block]")?.dataset.block);
});
"""


def html_page(picture: str, title: str) -> str:
    """Returns an HTML document around the SVG of ``draw_simulation``; it loads no other files."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{svg.plain(title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n{picture}\n"
        f"<script>{_SCRIPT}</script>\n</body>\n</html>\n"
    )
