"""Colours of nodes and scopes: by kind of operation, by device, by measured time, or by bytes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from ...kernels.core.index import FAMILY_OF
from . import style

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .scope_tree import ScopeItem, ScopeTree

COLOR_KEYS = ("kind", "device", "time", "bytes")
_PLAIN = 0.16
_OTHER = "#8b949e"


class ItemPaint(NamedTuple):
    """The colour of a box and its opacity."""

    color: str
    opacity: float


class Coloring(NamedTuple):
    """The paint of every item, and the meaning of the colours in use, most frequent first."""

    paints: Sequence[ItemPaint]
    legend: Mapping[str, str]


def color_items(tree: ScopeTree, key: str) -> Coloring:
    """Returns the colours of a tree's items by one of ``COLOR_KEYS``."""
    if key == "time":
        return _by_amount(tree, lambda item: item.seconds)
    if key == "bytes":
        return _by_amount(tree, lambda item: float(item.bytes))
    return _by_group(tree, operation_kind if key == "kind" else _device)


def operation_kind(item: ScopeItem) -> str:
    """Returns the domain of the operation's family, such as ``math`` or ``state``."""
    if item.node is None:
        return ""
    return FAMILY_OF.get(item.node.op, "other").split(".")[0]


def _device(item: ScopeItem) -> str:
    if item.node is None:
        return ""
    return item.node.device or "no device"


def _by_group(tree: ScopeTree, group: Callable[[ScopeItem], str]) -> Coloring:
    """A scope has the colour of its only group; others are grey."""
    groups = [group(item) for item in tree.items]
    common = Counter(name for name in groups if name)
    hues = style.HUES[:-1]
    # The rarest groups share the last colour.
    legend = {
        name: hues[number] if number < len(hues) else _OTHER
        for number, (name, _) in enumerate(common.most_common())
    }
    whole = _groups_of_scopes(tree, groups)
    return Coloring([ItemPaint(legend.get(name, _OTHER), _PLAIN) for name in whole], legend)


def _groups_of_scopes(tree: ScopeTree, groups: Sequence[str]) -> list[str]:
    whole = list(groups)
    for number in sorted(range(len(tree.items)), key=lambda n: -_depth(tree, n)):
        item = tree.items[number]
        if item.node is None and item.children:
            inside = {whole[child] for child in item.children}
            whole[number] = inside.pop() if len(inside) == 1 else ""
    return whole


def _depth(tree: ScopeTree, number: int) -> int:
    depth = 0
    while tree.items[number].parent >= 0:
        number = tree.items[number].parent
        depth += 1
    return depth


def _by_amount(tree: ScopeTree, amount: Callable[[ScopeItem], float]) -> Coloring:
    """Darker for more; items of a scope are held against the largest node, scopes against the largest scope."""
    amounts = [amount(item) for item in tree.items]
    nodes = [one for one, item in zip(amounts, tree.items) if not item.children]
    most, total = max(nodes, default=0.0), amounts[0]
    paints = [
        ItemPaint(style.HUES[0], style.heat(one / ((total if item.children else most) or 1.0)))
        for one, item in zip(amounts, tree.items)
    ]
    return Coloring(paints, {})
