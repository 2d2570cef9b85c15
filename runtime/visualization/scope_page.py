"""HTML page of a graph: a click opens or folds a scope, the wheel zooms, dragging moves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from . import style, svg
from .scope_picture import SCOPE_CSS, box_label, tooltip
from .scope_view import BOX_HEIGHT, BOX_WIDTH, GAP, HEADER, PADDING, PITCH

if TYPE_CHECKING:
    from collections.abc import Collection

    from .scope_colors import Coloring
    from .scope_tree import ScopeTree

_CSS = """
html, body { margin: 0; height: 100%; overflow: hidden; background: #ffffff }
body > svg { display: block; width: 100vw; height: 100vh; cursor: grab }
.bar { position: fixed; left: 12px; top: 8px; font: 13px system-ui, sans-serif; color: #59636e }
.bar b { color: #1f2328 } .bar i { font-style: normal; margin-left: 10px }
g[data-scope] { cursor: pointer }
.near { stroke-opacity: 1; stroke-width: 2; stroke: #e8590c }
@media (prefers-color-scheme: dark) {
html, body { background: #0d1117 } .bar { color: #9198a1 } .bar b { color: #e6edf3 } }
"""

# The same placement as in scope_view.py, which draws SVG.
_SCRIPT = """
const data = JSON.parse(document.getElementById("graph").textContent);
const {items, edges, size: [BW, BH, GAP, PITCH, PAD, HEAD], labels} = data;
const open = new Set(data.opened), svg = document.querySelector("svg"), all = document.getElementById("all");
const inside = items.map(() => []);
items.forEach((item, n) => { if (n) inside[item[1]].push(n); });
const escaped = text => text.replace(/[&<>"]/g, c => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}[c]));
const short = (text, width, size) => {
  const most = Math.max(3, Math.floor(width / (size * .58)));
  return text.length <= most ? text : text.slice(0, Math.floor((most - 1) / 3)) + "…" +
    text.slice(text.length - (most - 1 - Math.floor((most - 1) / 3)));
};
const sum = (list, by) => list.reduce((total, one) => total + by(one), 0);
const widest = (list, by) => list.reduce((most, one) => Math.max(most, by(one)), 0);
let at = new Map();
function measure() {
  const order = [], stack = [0], size = new Map();
  while (stack.length) {
    const n = stack.pop();
    order.push(n);
    if (open.has(n)) stack.push(...inside[n]);
  }
  for (const n of order.reverse()) {
    if (!open.has(n)) { size.set(n, [BW, BH]); continue; }
    const rows = items[n][6];
    const width = widest(rows, row => sum(row, c => size.get(c)[0] + GAP) - GAP);
    const height = sum(rows, row => widest(row, c => size.get(c)[1]) + PITCH) - PITCH;
    size.set(n, [Math.max(BW, width) + 2 * PAD, HEAD + height + PAD]);
  }
  return size;
}
function place() {
  const size = measure(), stack = [[0, 0, 0]];
  at = new Map();
  while (stack.length) {
    const [n, left, top] = stack.pop(), [width, height] = size.get(n);
    at.set(n, [left, top, width, height]);
    if (!open.has(n)) continue;
    let y = top + HEAD;
    for (const row of items[n][6]) {
      let x = left + width / 2 - (sum(row, c => size.get(c)[0] + GAP) - GAP) / 2;
      const tallest = widest(row, c => size.get(c)[1]);
      for (const child of row) {
        stack.push([child, x, y + (tallest - size.get(child)[1]) / 2]);
        x += size.get(child)[0] + GAP;
      }
      y += tallest + PITCH;
    }
  }
}
function shown() {
  const found = new Array(items.length), stack = [[0, -1]];
  while (stack.length) {
    const [n, closed] = stack.pop();
    found[n] = closed >= 0 ? closed : n;
    const inner = closed >= 0 || open.has(n) ? closed : n;
    for (const child of inside[n]) stack.push([child, inner]);
  }
  return found;
}
function box(n) {
  const [left, top, width, height] = at.get(n), [label, , kind, color, opacity, tip, , op] = items[n];
  const opened = open.has(n), middle = left + width / 2;
  const y = top + (opened ? 15 : height / 2 + (op ? -1 : 4));
  const second = op && !opened ? `<text x="${middle}" y="${top + height - 4}" text-anchor="middle"` +
    ` class="small muted">${escaped(short(op, BW - 8, 9.5))}</text>` : "";
  return `<g data-box="${n}"${inside[n].length ? " data-scope" : ""}><title>${escaped(tip)}</title>` +
    `<rect class="box ${kind}" x="${left}" y="${top}" width="${width}" height="${height}" rx="4" fill="${color}"` +
    ` stroke="${color}" fill-opacity="${opened ? .05 : opacity}"/><text x="${middle}" y="${y}"` +
    ` text-anchor="middle">${escaped(short(label, width - 8, 11))}</text>${second}</g>`;
}
function draw() {
  place();
  const visible = shown(), seen = new Set(), parts = [], texts = [];
  for (const [source, target, label, control] of edges) {
    const a = visible[source], b = visible[target], key = a * items.length + b;
    if (a === b || seen.has(key)) continue;
    seen.add(key);
    const from = at.get(a), to = at.get(b);
    const x = from[0] + from[2] / 2, y = from[1] + from[3], tx = to[0] + to[2] / 2, ty = to[1], m = (y + ty) / 2;
    parts.push(`<path class="flow${control ? " waits" : ""}" data-from="${a}" data-to="${b}"` +
      ` d="M${x} ${y}C${x} ${m} ${tx} ${m} ${tx} ${ty}"/>`);
    if (labels[label]) texts.push(`<text class="edge-label" text-anchor="middle" x="${(x + 7 * tx) / 8}"` +
      ` y="${(y + 7 * ty) / 8}">${escaped(labels[label])}</text>`);
  }
  for (const n of at.keys()) if (n) parts.push(box(n));
  all.innerHTML = parts.concat(texts.length <= 400 ? texts : []).join("");
  document.body.dataset.boxes = at.size - 1;
}
draw();
const view = svg.viewBox.baseVal, whole = at.get(0);
const wide = Math.max(whole[2] + 40, .7 * innerWidth);
const full = [(whole[2] - wide) / 2, -.05 * wide, wide, wide * innerHeight / innerWidth];
[view.x, view.y, view.width, view.height] = full;
const perPixel = () => Math.max(view.width / svg.clientWidth, view.height / svg.clientHeight);
const point = event => new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
svg.addEventListener("wheel", event => {
  event.preventDefault();
  const here = point(event), by = Math.exp(event.deltaY * .0015);
  view.x = here.x - (here.x - view.x) * by;
  view.y = here.y - (here.y - view.y) * by;
  view.width *= by;
  view.height *= by;
}, {passive: false});
let moved = 0;
svg.addEventListener("pointerdown", () => { moved = 0; });
svg.addEventListener("pointermove", event => {
  if (!(event.buttons & 1)) return;
  moved += Math.abs(event.movementX) + Math.abs(event.movementY);
  view.x -= event.movementX * perPixel();
  view.y -= event.movementY * perPixel();
});
svg.addEventListener("click", event => {
  const scope = event.target.closest("[data-scope]");
  if (!scope || moved > 4) return;
  const n = +scope.dataset.box, before = at.get(n);
  if (!open.delete(n)) open.add(n);
  draw();
  // The scope stays under the pointer.
  view.x += at.get(n)[0] - before[0];
  view.y += at.get(n)[1] - before[1];
});
svg.addEventListener("dblclick", () => { [view.x, view.y, view.width, view.height] = full; });
svg.addEventListener("pointerover", event => {
  if (event.buttons) return;
  for (const one of all.querySelectorAll(".near")) one.classList.remove("near");
  const n = event.target.closest("[data-box]")?.dataset.box;
  if (n === undefined) return;
  for (const one of all.querySelectorAll(`[data-from="${n}"], [data-to="${n}"]`)) one.classList.add("near");
});
"""


def scopes_page(
    tree: ScopeTree, opened: Collection[int], coloring: Coloring, title: str, summary: str
) -> str:
    """Returns an HTML document that draws the graph itself; it loads no other files."""
    legend = "".join(
        f'<i><span style="color:{color}">■</span> {svg.plain(name)}</i>'
        for name, color in coloring.legend.items()
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{svg.plain(title)}</title>\n<style>{style.CSS}{SCOPE_CSS}{_CSS}</style>\n</head>\n<body>\n"
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1" preserveAspectRatio="xMidYMin meet">'
        '<g id="all"></g></svg>\n'
        f'<div class="bar"><b>{svg.plain(title)}</b>  {svg.plain(summary)} {legend}</div>\n'
        f'<script id="graph" type="application/json">{_data(tree, opened, coloring)}</script>\n'
        f"<script>{_SCRIPT}</script>\n</body>\n</html>\n"
    )


def _data(tree: ScopeTree, opened: Collection[int], coloring: Coloring) -> str:
    labels: dict[str, int] = {"": 0}
    edges = [
        [edge.source, edge.target, labels.setdefault(edge.label, len(labels)), int(edge.is_control)]
        for edge in sorted(tree.edges, key=lambda edge: edge.is_control)
    ]
    items = [
        [
            box_label(item),
            item.parent,
            item.kind,
            paint.color,
            round(paint.opacity, 2),
            tooltip(item),
            item.rows,
            item.node.op if item.node is not None else "",
        ]
        for item, paint in zip(tree.items, coloring.paints)
    ]
    size = [BOX_WIDTH, BOX_HEIGHT, GAP, PITCH, PADDING, HEADER]
    document = {
        "items": items,
        "edges": edges,
        "labels": list(labels),
        "opened": sorted(opened),
        "size": size,
    }
    # In a script element only "<" could end the data.
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
